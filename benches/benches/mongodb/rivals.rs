//! Other ways to send events to the server, all with the driver.

use std::{borrow::Cow, error::Error, fmt};

use martech_core::{Event, event::Money};
use mongodb::{
    Client, Collection, Database,
    bson::{
        Binary, Bson, DateTime, Decimal128, Document, RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf, doc,
        raw::{CStr, cstr},
        spec::BinarySubtype,
    },
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

type Answer<T> = Result<T, Box<dyn Error>>;

/// The driver, connected with the store's settings.
pub(crate) struct Driver {
    client: Client,
    database: Database,
    events: Collection<Document>,
}

impl Driver {
    pub(crate) async fn connect(uri: &str) -> Answer<Self> {
        let client = Client::with_uri_str(uri).await?;
        let database = client.default_database().ok_or("the connection string names no database")?;
        let events = database.collection("events");
        Ok(Self { client, database, events })
    }

    pub(crate) async fn admin(&self, command: Document) -> Answer<Document> {
        Ok(self.client.database("admin").run_command(command).await?)
    }

    /// Sends one hand-written command.
    pub(crate) async fn command(&self, events: &[Event]) -> Answer<usize> {
        let mut documents = RawArrayBuf::new();
        for event in events {
            documents.push(raw_document(event));
        }
        let mut concern = RawDocumentBuf::new();
        concern.append(cstr!("w"), "majority");
        concern.append(cstr!("j"), true);
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("insert"), "events");
        command.append(cstr!("ordered"), false);
        command.append(cstr!("documents"), documents);
        command.append(cstr!("writeConcern"), concern);
        let answer = self.database.run_raw_command(command).await?;
        Ok(answer.get_i32("n")?.try_into()?)
    }

    pub(crate) async fn typed(&self, events: &[Event]) -> Answer<usize> {
        let collection = self.events.clone_with_type::<Typed<'_>>();
        let inserted = collection.insert_many(events.iter().map(Typed::new)).ordered(false).await?;
        Ok(inserted.inserted_ids.len())
    }

    pub(crate) async fn documents(&self, documents: &[Document]) -> Answer<usize> {
        Ok(self.events.insert_many(documents).ordered(false).await?.inserted_ids.len())
    }

    pub(crate) async fn raw(&self, events: &[Event]) -> Answer<usize> {
        let collection = self.events.clone_with_type::<RawDocumentBuf>();
        let inserted = collection.insert_many(events.iter().map(raw_document)).ordered(false).await?;
        Ok(inserted.inserted_ids.len())
    }
}

/// An event as a struct for the driver's serializer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Typed<'a> {
    #[serde(rename = "_id")]
    id: Binary,
    user_id: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    occurred_at: DateTime,
    received_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_value: Option<Decimal128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_term: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Document>,
}

impl<'a> Typed<'a> {
    fn new(event: &'a Event) -> Self {
        Self {
            id: id(event),
            user_id: &event.user_id,
            event_type: event.event_type.as_str(),
            occurred_at: DateTime::from_millis(event.occurred_at.millis()),
            received_at: DateTime::from_millis(event.received_at.millis()),
            anonymous_id: event.anonymous_id.as_deref(),
            session_id: event.session_id.as_deref(),
            order_value: event.facts.order_value.map(decimal),
            currency: event.facts.currency.as_ref().map(|currency| currency.as_str()),
            page: event.facts.page.as_deref(),
            product: event.facts.product.as_deref(),
            search_term: event.facts.search.as_deref(),
            properties: event.properties.as_deref().map(properties),
        }
    }
}

/// Converts an event to a document.
pub(crate) fn document(event: &Event) -> Document {
    let mut document = doc! {
        "_id": id(event),
        "userId": &event.user_id,
        "type": event.event_type.as_str(),
        "occurredAt": DateTime::from_millis(event.occurred_at.millis()),
        "receivedAt": DateTime::from_millis(event.received_at.millis()),
    };
    let facts = &event.facts;
    for (name, text) in [("anonymousId", &event.anonymous_id), ("sessionId", &event.session_id)] {
        text.iter().for_each(|text| _ = document.insert(name, text));
    }
    facts.order_value.iter().for_each(|value| _ = document.insert("orderValue", decimal(*value)));
    facts.currency.iter().for_each(|currency| _ = document.insert("currency", currency.as_str()));
    for (name, text) in [("page", &facts.page), ("product", &facts.product), ("searchTerm", &facts.search)] {
        text.iter().for_each(|text| _ = document.insert(name, text));
    }
    event.properties.iter().for_each(|json| _ = document.insert("properties", properties(json)));
    document
}

/// Converts an event to a raw document with the crate's builder.
fn raw_document(event: &Event) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("_id"), id(event));
    document.append(cstr!("userId"), event.user_id.as_str());
    document.append(cstr!("type"), event.event_type.as_str());
    document.append(cstr!("occurredAt"), DateTime::from_millis(event.occurred_at.millis()));
    document.append(cstr!("receivedAt"), DateTime::from_millis(event.received_at.millis()));
    let facts = &event.facts;
    for (name, text) in [(cstr!("anonymousId"), &event.anonymous_id), (cstr!("sessionId"), &event.session_id)] {
        text.iter().for_each(|text| document.append(name, text.as_str()));
    }
    facts.order_value.iter().for_each(|value| document.append(cstr!("orderValue"), decimal(*value)));
    facts.currency.iter().for_each(|currency| document.append(cstr!("currency"), currency.as_str()));
    for (name, text) in
        [(cstr!("page"), &facts.page), (cstr!("product"), &facts.product), (cstr!("searchTerm"), &facts.search)]
    {
        text.iter().for_each(|text| document.append(name, text.as_str()));
    }
    if let Some(json) = &event.properties {
        let Properties(properties) = serde_json::from_str(json).expect("properties are a JSON object");
        document.append(cstr!("properties"), properties);
    }
    document
}

fn id(event: &Event) -> Binary {
    Binary { subtype: BinarySubtype::Uuid, bytes: event.id.as_bytes().to_vec() }
}

fn decimal(money: Money) -> Decimal128 {
    let (mut coefficient, mut exponent) = (money.micros(), 6_176 - 6);
    while exponent < 6_176 && coefficient % 10 == 0 {
        coefficient /= 10;
        exponent += 1;
    }
    let sign = u128::from(coefficient < 0) << 127;
    let bits = sign | exponent << 113 | u128::from(coefficient.unsigned_abs());
    Decimal128::from_bytes(bits.to_le_bytes())
}

fn properties(json: &str) -> Document {
    serde_json::from_str(json).expect("properties are a JSON object")
}

/// Properties as a raw document, converted directly from JSON.
struct Properties(RawDocumentBuf);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = RawDocumentBuf::new();
        deserializer.deserialize_map(Fields(&mut document))?;
        Ok(Self(document))
    }
}

/// Appends the fields of an object.
struct Fields<'a>(&'a mut RawDocumentBuf);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            let name = <&CStr>::try_from(&*name).map_err(de::Error::custom)?;
            map.next_value_seed(Field { document: self.0, name })?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Appends one field.
struct Field<'a> {
    document: &'a mut RawDocumentBuf,
    name: &'a CStr,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.document.append(self.name, RawBsonRef::Null);
        Ok(())
    }

    fn visit_bool<E>(self, yes: bool) -> Result<(), E> {
        self.document.append(self.name, yes);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        match i32::try_from(number) {
            Ok(small) => self.document.append(self.name, small),
            Err(_) => self.document.append(self.name, number),
        }
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(number).map_err(de::Error::custom)?)
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.document.append(self.name, number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.document.append(self.name, text);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let mut document = RawDocumentBuf::new();
        Fields(&mut document).visit_map(map)?;
        self.document.append(self.name, document);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut array = RawArrayBuf::new();
        while let Some(value) = list.next_element::<Bson>()? {
            array.push(RawBson::try_from(value).map_err(de::Error::custom)?);
        }
        self.document.append(self.name, array);
        Ok(())
    }
}
