//! The people who visit the shop.

use super::random::Random;

const FIRST: [&str; 48] = [
    "emma", "liam", "mia", "noah", "lena", "finn", "hanna", "elias", "ida", "oscar", "clara", "jonas", "nora", "felix",
    "alma", "leo", "ella", "anton", "marta", "luis", "sofia", "mateo", "julia", "hugo", "alice", "louis", "chloe",
    "theo", "zoe", "lucas", "anna", "paul", "eva", "max", "ines", "bruno", "olga", "adam", "sara", "viktor", "amira",
    "samir", "yuki", "kenji", "priya", "arjun", "grace", "owen",
];
const LAST: [&str; 48] = [
    "larsen", "weber", "rossi", "novak", "silva", "meyer", "dubois", "garcia", "jensen", "koch", "moreau", "bianchi",
    "kowalski", "santos", "bauer", "martin", "lopez", "nielsen", "wolf", "petit", "ricci", "zeman", "costa", "vogel",
    "laurent", "torres", "berg", "krause", "simon", "gallo", "dvorak", "pereira", "lang", "girard", "ruiz", "holm",
    "brandt", "fabre", "conti", "horak", "hassan", "khan", "tanaka", "sato", "patel", "sharma", "walsh", "reed",
];

/// The share of visitors with an account, in percent.
const SIGNED_IN: f64 = 24.0;
/// The share of visits by visitors who come for the first time, in percent.
const NEW: f64 = 47.0;
/// The first visits, which are all by new visitors. Without them, the first visitor would come back every day.
const FIRST_VISITS: usize = 250;

/// The visitors so far.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    known: Vec<Visitor>,
    accounts: usize,
    /// The visitor of each visit so far, by position.
    visits: Vec<u32>,
}

/// A visitor.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The account, for example `emma.larsen`.
    pub(super) user_id: Option<String>,
    pub(super) anonymous_id: String,
    pub(super) device: &'static str,
    /// Whether the visitor was here before.
    pub(super) is_returning: bool,
}

impl Visitors {
    /// Returns the visitor of the next visit.
    pub(super) fn next(&mut self, random: &mut Random) -> Visitor {
        if self.visits.len() < FIRST_VISITS || random.chance(NEW) {
            let visitor = self.new_visitor(random);
            self.visits.push(self.known.len() as u32);
            self.known.push(visitor.clone());
            return visitor;
        }
        // Most visitors who come back do so soon, so most draws are from the latest visits.
        let latest = if random.chance(60.0) { self.visits.len().min(1_000) } else { self.visits.len() };
        let visit = self.visits.len() - 1 - random.index(latest);
        let number = self.visits[visit];
        self.visits.push(number);
        Visitor { is_returning: true, ..self.known[number as usize].clone() }
    }

    fn new_visitor(&mut self, random: &mut Random) -> Visitor {
        let user_id = random.chance(SIGNED_IN).then(|| self.new_account());
        let device = ["mobile", "desktop", "tablet"][random.weighted([58, 36, 6].into_iter())];
        Visitor { user_id, anonymous_id: format!("anon-{}", random.hex()), device, is_returning: false }
    }

    /// Returns a new name. No two of the first 2,304 are the same; later ones have a number.
    fn new_account(&mut self) -> String {
        let number = self.accounts;
        self.accounts += 1;
        let (first, round) = (number % FIRST.len(), number / FIRST.len());
        // Different first names have their last names in different orders.
        let last = (round + first * 7) % LAST.len();
        match round / LAST.len() {
            0 => format!("{}.{}", FIRST[first], LAST[last]),
            again => format!("{}.{}{}", FIRST[first], LAST[last], again + 1),
        }
    }
}
