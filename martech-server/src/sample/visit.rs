//! One visit to the shop: its pages, searches, cart and order.

use martech_core::event::{Event, EventBuilder, EventError, EventId, EventRules, EventType, Timestamp};
use serde_json::{Value, json};

use super::{
    catalogue::{self, CATEGORIES, OTHER_PAGES, Product, decimal},
    random::Random,
    visitors::Visitor,
};

/// The properties that all visits of a day share.
#[derive(Clone, Copy)]
pub(super) struct Market<'a> {
    pub(super) rules: &'a EventRules,
    pub(super) received_at: Timestamp,
    pub(super) is_sale: bool,
}

/// A visit as it goes on.
pub(super) struct Visit<'a> {
    market: Market<'a>,
    visitor: &'a Visitor,
    session_id: String,
    /// The current time in milliseconds.
    time: i64,
    random: &'a mut Random,
    events: &'a mut Vec<Event>,
}

/// Where a visit comes from.
struct Source {
    /// The share of visits, in and out of a sale.
    weights: (u32, u32),
    referrer: Option<&'static str>,
    utm: Option<(&'static str, &'static str)>,
}

const fn source(weights: (u32, u32), referrer: Option<&'static str>) -> Source {
    Source { weights, referrer, utm: None }
}

const fn campaign(weights: (u32, u32), referrer: Option<&'static str>, utm: (&'static str, &'static str)) -> Source {
    Source { weights, referrer, utm: Some(utm) }
}

const SOURCES: [Source; 11] = [
    source((36, 28), None),
    source((27, 18), Some("https://www.google.com/")),
    source((3, 2), Some("https://duckduckgo.com/")),
    source((2, 1), Some("https://www.bing.com/")),
    source((4, 3), Some("https://trailnotes.example/gear-list")),
    campaign((8, 6), Some("https://www.google.com/"), ("google", "brand")),
    campaign((5, 4), Some("https://www.google.com/"), ("google", "shoes")),
    campaign((7, 6), None, ("newsletter", "weekly")),
    campaign((6, 9), Some("https://l.instagram.com/"), ("instagram", "new-arrivals")),
    campaign((2, 3), Some("https://l.facebook.com/"), ("facebook", "retargeting")),
    campaign((0, 24), None, ("newsletter", "sale-weekend")),
];

/// How far a visit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Leave,
    Look,
    Cart,
    Order,
}

/// A product in the cart, with its quantity.
type Line = (&'static Product, i64);

impl<'a> Visit<'a> {
    pub(super) fn new(
        market: Market<'a>,
        visitor: &'a Visitor,
        start: i64,
        random: &'a mut Random,
        events: &'a mut Vec<Event>,
    ) -> Self {
        let session_id = format!("s-{}", random.hex());
        Self { market, visitor, session_id, time: start, random, events }
    }

    /// Adds the events of the visit. `orders` counts the orders of the shop.
    pub(super) fn run(mut self, orders: &mut u32) -> Result<(), EventError> {
        let intent = self.intent();
        self.arrive()?;
        match intent {
            Intent::Leave if self.random.chance(45.0) => self.look(1)?,
            Intent::Leave => {}
            Intent::Look => {
                let pages = self.random.mostly_small(2, 13);
                self.look(pages)?;
            }
            Intent::Cart => {
                let pages = self.random.mostly_small(3, 10);
                self.look(pages)?;
                self.fill_cart(2)?;
                if self.random.chance(60.0) {
                    self.pause(4, 40);
                    self.view("/cart", None)?;
                }
            }
            Intent::Order => {
                let pages = self.random.mostly_small(2, 9);
                self.look(pages)?;
                let cart = self.fill_cart(3)?;
                self.order(&cart, orders)?;
            }
        }
        Ok(())
    }

    fn intent(&mut self) -> Intent {
        let mut order = 1.72;
        for (applies, factor) in [
            (self.visitor.user_id.is_some(), 2.3),
            (self.visitor.is_returning, 1.5),
            (self.visitor.device == "mobile", 0.75),
            (self.market.is_sale, 1.5),
        ] {
            order *= if applies { factor } else { 1.0 };
        }
        match () {
            () if self.random.chance(order) => Intent::Order,
            () if self.random.chance(order * 3.2) => Intent::Cart,
            () if self.random.chance(46.0) => Intent::Leave,
            () => Intent::Look,
        }
    }

    /// Begins the session, and views the first page.
    fn arrive(&mut self) -> Result<(), EventError> {
        let is_sale = self.market.is_sale;
        let weight = |source: &Source| if is_sale { source.weights.1 } else { source.weights.0 };
        let source = &SOURCES[self.random.weighted(SOURCES.iter().map(weight))];
        let (page, product) = match self.random.between(0, 99) {
            _ if source.utm == Some(("newsletter", "sale-weekend")) => ("/sale".to_owned(), None),
            0..45 => ("/".to_owned(), None),
            45..62 => (format!("/c/{}", CATEGORIES[self.random.long_tail(CATEGORIES.len())]), None),
            62..95 => {
                let product = catalogue::viewed(self.random);
                (product.page(), Some(product))
            }
            _ => (OTHER_PAGES[self.random.long_tail(OTHER_PAGES.len())].to_owned(), None),
        };
        let mut origin = vec![("page", json!(page))];
        origin.extend(source.referrer.map(|referrer| ("referrer", json!(referrer))));
        if let Some((name, campaign)) = source.utm {
            origin.extend([("utm_source", json!(name)), ("utm_campaign", json!(campaign))]);
        }
        self.push(EventType::SESSION_START, origin.clone())?;
        self.time += self.random.between(40, 900);
        origin.extend(product.map(|product| ("productId", json!(product.id))));
        self.push(EventType::PAGE_VIEW, origin)
    }

    /// Views so many pages more.
    fn look(&mut self, pages: i64) -> Result<(), EventError> {
        for _ in 0..pages {
            self.pause(5, 110);
            match self.random.between(0, 99) {
                0..9 => self.search()?,
                9..34 => {
                    let category = CATEGORIES[self.random.long_tail(CATEGORIES.len())];
                    self.view(&format!("/c/{category}"), None)?;
                    if self.random.chance(55.0) {
                        self.pause(5, 60);
                        let product = catalogue::viewed_in(category, self.random);
                        self.view_product(product)?;
                    }
                }
                34..42 => self.view("/", None)?,
                42..93 => {
                    let product = catalogue::viewed(self.random);
                    self.view_product(product)?;
                }
                _ => {
                    let page = OTHER_PAGES[self.random.long_tail(OTHER_PAGES.len())];
                    self.view(page, None)?;
                }
            }
        }
        Ok(())
    }

    fn search(&mut self) -> Result<(), EventError> {
        let term = catalogue::searched(self.random);
        self.push(EventType::SEARCH, vec![("query", json!(term))])?;
        self.time += self.random.between(60, 700);
        self.view("/search", None)
    }

    fn view_product(&mut self, product: &Product) -> Result<(), EventError> {
        self.view(&product.page(), Some(product))
    }

    fn view(&mut self, page: &str, product: Option<&Product>) -> Result<(), EventError> {
        let mut properties = vec![("page", json!(page))];
        properties.extend(product.map(|product| ("productId", json!(product.id))));
        self.push(EventType::PAGE_VIEW, properties)
    }

    /// Puts up to `most` products into the cart, and sometimes takes one out again. Returns what is left, at least one.
    fn fill_cart(&mut self, most: i64) -> Result<Vec<Line>, EventError> {
        let mut cart: Vec<Line> = Vec::new();
        for _ in 0..self.random.mostly_small(1, most) {
            let product = catalogue::bought(self.random);
            if cart.iter().any(|(other, _)| *other == product) {
                continue;
            }
            self.pause(8, 80);
            self.view_product(product)?;
            self.pause(6, 90);
            let quantity = if self.random.chance(12.0) { 2 } else { 1 };
            self.change_cart(EventType::ADD_TO_CART, (product, quantity))?;
            cart.push((product, quantity));
        }
        if self.random.chance(if cart.len() > 1 { 25.0 } else { 0.0 }) {
            let removed = cart.remove(self.random.index(cart.len()));
            self.pause(6, 60);
            self.change_cart(EventType::REMOVE_FROM_CART, removed)?;
        }
        Ok(cart)
    }

    fn change_cart(&mut self, event_type: EventType, (product, quantity): Line) -> Result<(), EventError> {
        let mut properties = vec![("page", json!(product.page()))];
        properties.extend(self.line((product, quantity)));
        properties.push(("currency", json!(self.market.rules.currency.as_str())));
        self.push(event_type, properties)
    }

    /// Pays for the cart.
    fn order(&mut self, cart: &[Line], orders: &mut u32) -> Result<(), EventError> {
        for page in ["/cart", "/checkout"] {
            self.pause(5, 60);
            self.view(page, None)?;
        }
        self.pause(40, 240);
        *orders += 1;
        let currency = self.market.rules.currency;
        let cents = |(product, quantity): &Line| product.cents(self.market.is_sale) * quantity;
        let dearest = cart.iter().max_by_key(|line| cents(line)).map(|(product, _)| product.id);
        let items: Vec<Value> = cart.iter().map(|line| self.line(*line).into_iter().collect()).collect();
        self.push(
            EventType::PURCHASE,
            vec![
                ("orderId", json!(format!("S{}", 10_000 + *orders))),
                ("total", json!(decimal(cart.iter().map(cents).sum(), currency))),
                ("currency", json!(currency.as_str())),
                ("productId", json!(dearest)),
                ("items", json!(items)),
            ],
        )?;
        self.time += self.random.between(300, 1_500);
        self.view("/checkout/thank-you", None)
    }

    /// Returns the properties of a line of the cart.
    fn line(&self, (product, quantity): Line) -> [(&'static str, Value); 5] {
        let price = decimal(product.cents(self.market.is_sale), self.market.rules.currency);
        [
            ("productId", json!(product.id)),
            ("name", json!(product.name)),
            ("category", json!(product.category)),
            ("price", json!(price)),
            ("quantity", json!(quantity)),
        ]
    }

    /// Lets some seconds pass, mostly few.
    fn pause(&mut self, from: i64, to: i64) {
        self.time += self.random.mostly_small(from * 1000, to * 1000);
    }

    fn push(&mut self, event_type: EventType, properties: Vec<(&'static str, Value)>) -> Result<(), EventError> {
        let Visitor { user_id, anonymous_id, device, .. } = self.visitor;
        let builder = match user_id {
            Some(user_id) => EventBuilder::new(user_id, event_type).anonymous_id(anonymous_id),
            None => EventBuilder::anonymous(anonymous_id, event_type),
        };
        let mut builder = builder
            .id(EventId::from_bytes(self.random.uuid_v7(self.time)))
            .occurred_at(Timestamp::from_millis(self.time))
            .received_at(self.market.received_at)
            .session_id(&self.session_id)
            .property("device", *device);
        for (name, value) in properties {
            builder = builder.property(name, value);
        }
        self.events.push(builder.build(self.market.rules)?);
        Ok(())
    }
}
