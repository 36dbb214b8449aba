//! Validation of a whole collection.

use mongodb::bson::doc;
use serde::Serialize;

use super::{
    document::{self, NotAnEvent},
    error::MongoError,
    event_collection::{EventCollection, WHOLE, timed},
    query::{self, Documents},
};
use crate::event::{Event, EventRules, EventTypes};

/// Result of validating a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Survey {
    /// Number of documents that are valid events.
    pub events: u64,
    /// Number of documents that are not events, or whose facts do not match their properties.
    pub damaged: u64,
    /// The first thousand damaged documents.
    pub findings: Vec<DamagedDocument>,
}

/// A document that is not an event, or whose facts do not match its properties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DamagedDocument {
    /// The `_id` of the document.
    pub id: String,
    /// A description of the damage.
    pub message: String,
}

const MAX_FINDINGS: usize = 1000;

impl Survey {
    fn note(&mut self, checked: Result<(), NotAnEvent>) {
        match checked {
            Ok(()) => self.events += 1,
            Err(NotAnEvent { id, why }) => {
                self.damaged += 1;
                if self.findings.len() < MAX_FINDINGS {
                    self.findings.push(DamagedDocument { id, message: why });
                }
            }
        }
    }
}

impl EventCollection {
    /// Reads every document. `each` is called with the number of documents read so far.
    pub(super) async fn survey(&self, each: &mut (dyn FnMut(u64) + Send)) -> Result<Survey, MongoError> {
        let cursor = timed(WHOLE, self.collection().find(doc! {})).await?;
        let mut documents = Documents::new(cursor, self.options.answer_timeout);
        let mut survey = Survey::default();
        while let Some(found) = documents.next().await? {
            let checked = document::read(found).and_then(|event| check(&event));
            survey.note(checked);
            each(survey.events + survey.damaged);
        }
        Ok(survey)
    }

    /// Counts documents one by one, for servers that cannot count them.
    pub(super) async fn count_one_by_one(&self) -> Result<u64, MongoError> {
        let mut documents = self.by_id(None, Some(doc! { "_id": 1 })).await?;
        let mut count = 0;
        while documents.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Returns the approximate number of documents, from the collection's metadata.
    pub(super) async fn estimate(&self) -> Result<u64, MongoError> {
        let counted = self.command(&self.database, doc! { "count": &self.options.collection }).await?;
        Ok(query::whole(&counted, "n").and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}

/// Checks that an event follows the rules and that its facts match its properties.
fn check(event: &Event) -> Result<(), NotAnEvent> {
    let wrong = |why: String| NotAnEvent { id: event.id.to_string(), why };
    let mut json = Vec::new();
    event.write_ndjson(&mut json).map_err(|error| wrong(error.to_string()))?;
    let json = String::from_utf8_lossy(&json);
    // If the properties name no currency, the configured default was stored.
    let currency = event.facts.currency.unwrap_or(EventRules::default().currency);
    let rules = EventRules { types: EventTypes::any(), currency, ..EventRules::default() };
    // The clock may have been wrong when the event was stored, so the event's own times serve as the current time.
    let again = rules
        .parse(json.trim_end(), event.received_at.max(event.occurred_at))
        .map_err(|error| wrong(error.to_string()))?;
    // Earlier builds did not accept a number as a page or a search term.
    let is_said = |stored: &Option<String>, said: &Option<String>| {
        stored == said || said.as_ref().is_some_and(|said| said.parse::<f64>().is_ok())
    };
    let (stored, said) = (&event.facts, &again.facts);
    let is_right = (stored.order_value, stored.currency, &stored.product)
        == (said.order_value, said.currency, &said.product)
        && is_said(&stored.page, &said.page)
        && is_said(&stored.search, &said.search);
    if is_right {
        Ok(())
    } else {
        Err(wrong("orderValue, currency, page, product or searchTerm differs from the properties".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventType;

    #[test]
    fn accepts_facts_of_the_properties_or_an_earlier_build() {
        let event = Event::builder("u1", EventType::SEARCH).property("page", 404).property("query", "boots");
        let event = event.build(&EventRules::default()).unwrap();
        assert!(check(&event).is_ok());
        let with = |change: &dyn Fn(&mut Event)| {
            let mut event = event.clone();
            change(&mut event);
            check(&event).is_ok()
        };
        assert!(with(&|event| event.facts.page = None), "a number, as an earlier build stored it");
        assert!(!with(&|event| event.facts.search = None));
        assert!(!with(&|event| event.facts.search = Some("shoes".to_owned())));
        assert!(!with(&|event| event.facts.product = Some("SKU".to_owned())));
    }
}
