//! Schemas of the request body of `POST /events`, for the API description only. The core crate parses events in one
//! pass, without these structures.

#![expect(dead_code, reason = "only the schemas are used")]

use martech_core::event::{Batch, EventType};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{
            AllOfBuilder, AnyOfBuilder, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat,
            SchemaType, Type,
        },
    },
};

/// An event, a list of events, or an envelope with events and the time at which they were sent.
pub(super) struct EventsBody;

impl PartialSchema for EventsBody {
    fn schema() -> RefOr<Schema> {
        let named = |name| Ref::from_schema_name(name);
        let list = ArrayBuilder::new().items(named("NewEvent")).min_items(Some(1)).max_items(Some(Batch::MAX_EVENTS));
        AnyOfBuilder::new().item(named("NewEvent")).item(list).item(named("Envelope")).into()
    }
}

impl ToSchema for EventsBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewEvent::name().into(), NewEvent::schema()));
        schemas.push((Envelope::name().into(), Envelope::schema()));
        Envelope::schemas(schemas);
        Fields::schemas(schemas);
    }
}

/// Events, and the time at which they were sent.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Envelope {
    #[schema(min_items = 1, max_items = 100_000)]
    events: Vec<NewEvent>,
    /// When the client sent the events, by its own clock. If that clock is off by a minute or more, the server corrects
    /// the times of the events.
    #[schema(schema_with = time)]
    sent_at: Option<String>,
}

/// The fields of an event.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    /// A UUID, or any other text that is unique to the event. An event that you send again with the same id, user, type
    /// and time is stored once. A different event with the same id is rejected. The server generates an id if you omit
    /// it. For events sent without a key, or with a key that has origins, the server derives the stored id from this
    /// one, so that it cannot collide with the id of an event sent with a secret key.
    #[schema(min_length = 1, max_length = 128, example = "018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f")]
    event_id: Option<String>,
    /// The user. Defaults to `anonymousId`. All ids reject `undefined`, `null`, `NaN` and `[object ...]`, which
    /// JavaScript makes of missing values.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
        example = "u1"
    )]
    user_id: Option<String>,
    #[serde(rename = "type")]
    event_type: EventType,
    /// When the event occurred: an RFC 3339 time with an offset, or milliseconds since 1970. The time must not be
    /// before 1970, nor more than a day in the future. Events sent without a key, or with a key that has origins, can
    /// be at most 30 days old, unless the server has another setting. Defaults to the time at which the server received
    /// the event.
    #[schema(schema_with = time)]
    occurred_at: Option<String>,
    /// The id of the browser or device.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    anonymous_id: Option<String>,
    /// The id of the visit that the event belongs to.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    session_id: Option<String>,
    /// Further data about the event. Figures use `revenue`, `total` or `value`, and `currency` of a purchase, `query`
    /// of a search, and `page` and `productId` of any event.
    properties: Option<Map<String, Value>>,
    /// Ignored. Accepted so that you can send the events of a journey again.
    #[schema(schema_with = anything)]
    received_at: Option<Value>,
}

/// An event as it is sent: its fields, with a `userId` or at least an `anonymousId`.
pub(super) struct NewEvent;

impl PartialSchema for NewEvent {
    fn schema() -> RefOr<Schema> {
        let given = |field| {
            let text = ObjectBuilder::new().schema_type(Type::String);
            ObjectBuilder::new().schema_type(Type::Object).property(field, text).required(field)
        };
        let somebody = AnyOfBuilder::new().item(given("userId")).item(given("anonymousId"));
        AllOfBuilder::new()
            .description(Some("An event as it is sent. It has a `userId`, or at least an `anonymousId`."))
            .item(Fields::schema())
            .item(somebody)
            .into()
    }
}

impl ToSchema for NewEvent {}

/// Returns the schema of a time: an RFC 3339 time, or milliseconds since 1970.
fn time() -> Schema {
    let text =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("date-time".to_owned())));
    // The server takes a smaller number for seconds and rejects it.
    let millis = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(100_000_000_000_i64))
        .maximum(Some(253_402_300_799_999_i64));
    let none = ObjectBuilder::new().schema_type(Type::Null);
    OneOfBuilder::new().item(text).item(millis).item(none).into()
}

fn anything() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}
