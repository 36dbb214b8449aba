//! The products of the shop, and the search terms of its visitors.

use martech_core::event::{Currency, MoneySum};

use super::random::Random;

/// A product. Its id is also the end of its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// The price in hundredths.
    cents: i64,
}

const fn product(id: &'static str, name: &'static str, category: &'static str, cents: i64) -> Product {
    Product { id, name, category, cents }
}

/// All products, the most popular first.
const PRODUCTS: [Product; 40] = [
    product("trail-runner", "Trail Runner", "shoes", 11_900),
    product("merino-socks", "Merino Socks", "accessories", 1_490),
    product("rain-shell", "Rain Shell", "jackets", 12_900),
    product("merino-tee", "Merino Tee", "tops", 4_990),
    product("day-pack-20", "Day Pack 20", "packs", 5_990),
    product("running-cap", "Running Cap", "accessories", 1_990),
    product("steel-bottle", "Steel Bottle", "camping", 2_490),
    product("running-shorts", "Running Shorts", "bottoms", 3_490),
    product("fleece-jacket", "Fleece Jacket", "jackets", 6_990),
    product("hiking-boot-mid", "Hiking Boot Mid", "shoes", 14_900),
    product("headlamp", "Headlamp 400", "accessories", 3_990),
    product("running-tee", "Running Tee", "tops", 2_990),
    product("beanie", "Wool Beanie", "accessories", 1_790),
    product("hiking-trousers", "Hiking Trousers", "bottoms", 7_490),
    product("road-runner", "Road Runner", "shoes", 10_900),
    product("insulated-mug", "Insulated Mug", "camping", 1_990),
    product("wind-jacket", "Wind Jacket", "jackets", 7_990),
    product("running-tights", "Running Tights", "bottoms", 4_990),
    product("base-layer", "Base Layer", "tops", 4_490),
    product("trekking-poles", "Trekking Poles", "accessories", 6_990),
    product("gloves", "Liner Gloves", "accessories", 2_490),
    product("running-vest", "Running Vest 8", "packs", 7_990),
    product("dry-bag", "Dry Bag 10", "packs", 1_790),
    product("hoodie", "Trail Hoodie", "tops", 6_490),
    product("down-vest", "Down Vest", "jackets", 9_900),
    product("camp-sandal", "Camp Sandal", "shoes", 4_990),
    product("long-sleeve-tee", "Long Sleeve Tee", "tops", 5_490),
    product("hip-belt", "Hip Belt", "packs", 2_490),
    product("sleeping-mat", "Sleeping Mat", "camping", 6_490),
    product("softshell", "Softshell", "jackets", 9_500),
    product("approach-shoe", "Approach Shoe", "shoes", 12_900),
    product("tank-top", "Tank Top", "tops", 2_490),
    product("rain-trousers", "Rain Trousers", "bottoms", 5_990),
    product("kids-trail-shoe", "Kids Trail Shoe", "shoes", 5_990),
    product("camp-stove", "Camp Stove", "camping", 5_490),
    product("trekking-pack-45", "Trekking Pack 45", "packs", 15_900),
    product("zip-off-trousers", "Zip-off Trousers", "bottoms", 7_990),
    product("recovery-slide", "Recovery Slide", "shoes", 3_490),
    product("winter-boot", "Winter Boot", "shoes", 13_900),
    product("poncho", "Rain Poncho", "jackets", 2_990),
];

/// The categories, the most popular first.
pub(super) const CATEGORIES: [&str; 7] = ["shoes", "jackets", "tops", "accessories", "packs", "bottoms", "camping"];

/// Other pages, the most popular first.
pub(super) const OTHER_PAGES: [&str; 12] = [
    "/sale",
    "/new",
    "/shipping",
    "/returns",
    "/size-guide",
    "/account",
    "/blog/first-trail-run",
    "/stores",
    "/blog/layering",
    "/about",
    "/gift-cards",
    "/contact",
];

/// Search terms, the most frequent first.
const SEARCHES: [&str; 48] = [
    "trail shoes",
    "rain jacket",
    "merino",
    "socks",
    "backpack",
    "hiking boots",
    "running shoes",
    "fleece",
    "water bottle",
    "headlamp",
    "trail runner",
    "shorts",
    "beanie",
    "gloves",
    "jacket",
    "trekking poles",
    "t-shirt",
    "waterproof",
    "merino socks",
    "sale",
    "kids shoes",
    "tights",
    "down vest",
    "gift card",
    "running vest",
    "sandals",
    "leggings",
    "rain trousers",
    "winter boots",
    "camping stove",
    "sleeping mat",
    "cap",
    "size 44",
    "women rain jacket",
    "mug",
    "hoodie",
    "hiking pants",
    "gaiters",
    "tent",
    "dry bag",
    "wool",
    "softshell",
    "trecking",
    "zip off",
    "poncho",
    "running belt",
    "sunglasses",
    "crampons",
];

impl Product {
    /// Returns the path of the product's page.
    pub(super) fn page(&self) -> String {
        format!("/p/{}", self.id)
    }

    /// Returns the price in hundredths, in a sale or not.
    pub(super) fn cents(&self, is_sale: bool) -> i64 {
        if is_sale { self.cents * 8 / 10 } else { self.cents }
    }
}

/// Returns an amount as decimal text, with the decimals of the currency: 4,990 hundredths are `49.90` in EUR. A currency
/// without decimals has smaller units, so the same amount is `4990` in JPY.
pub(super) fn decimal(cents: i64, currency: Currency) -> String {
    let micros = if currency.minor_digits() == 0 { 1_000_000 } else { 10_000 };
    MoneySum::from(martech_core::event::Money::from_micros(cents * micros)).in_currency(currency).to_string()
}

/// Returns a product that someone looks at.
pub(super) fn viewed(random: &mut Random) -> &'static Product {
    &PRODUCTS[random.long_tail(PRODUCTS.len())]
}

/// Returns a product of a category that someone looks at.
pub(super) fn viewed_in(category: &str, random: &mut Random) -> &'static Product {
    let weight = |(rank, product): (usize, &Product)| match product.category == category {
        true => 10_000 / (rank as u32 + 3),
        false => 0,
    };
    &PRODUCTS[random.weighted(PRODUCTS.iter().enumerate().map(weight))]
}

/// Returns a product that someone puts into the cart. Cheap products are bought more often for each view.
pub(super) fn bought(random: &mut Random) -> &'static Product {
    let weight = |(rank, product): (usize, &Product)| 1_000_000 / (rank as u32 + 6) / (product.cents as u32 / 100 + 12);
    &PRODUCTS[random.weighted(PRODUCTS.iter().enumerate().map(weight))]
}

/// Returns a search term.
pub(super) fn searched(random: &mut Random) -> &'static str {
    SEARCHES[random.long_tail(SEARCHES.len())]
}
