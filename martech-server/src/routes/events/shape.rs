//! What `POST /events` takes, for its description. Core reads events in one pass of its own, without such structures.

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

/// An event, a list of events, or a list with the time at which it was sent.
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

/// Events, and when they were sent.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Envelope {
    #[schema(min_items = 1, max_items = 100_000)]
    events: Vec<NewEvent>,
    /// What the sender's clock showed then: where that is off by a minute or more, the times of the events are set right.
    #[schema(schema_with = time)]
    sent_at: Option<String>,
}

/// The fields of an event.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fields {
    /// A UUID, or any other text that is the event's own. Sent again with the same id, user, type and time, it is stored once;
    /// another event with the id is rejected. Made where it is left out. Without a key, or with one that has origins, the id that
    /// is stored is derived from this one, so that it never meets the id of an event that came with a secret key.
    #[schema(min_length = 1, max_length = 128, example = "018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f")]
    event_id: Option<String>,
    /// Who did it; the `anonymousId` where it is left out. `undefined`, `null`, `NaN` and `[object ...]`, which JavaScript makes of
    /// missing values, are refused, here and in the other ids.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
        example = "u1"
    )]
    user_id: Option<String>,
    #[serde(rename = "type")]
    event_type: EventType,
    /// When: an RFC 3339 time with an offset, or milliseconds since 1970; not before 1970, and at most a day ahead. Without a
    /// key, or with one that has origins, at most 30 days ago, unless the server is set otherwise. When it arrived where it is
    /// left out.
    #[schema(schema_with = time)]
    occurred_at: Option<String>,
    /// The browser or device.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    anonymous_id: Option<String>,
    /// The visit that it belongs to.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    session_id: Option<String>,
    /// Whatever else is known. Figures look at `revenue`, `total` or `value` and `currency` of a purchase, `query` of a search,
    /// and `page` and `productId` of any event.
    properties: Option<Map<String, Value>>,
    /// Not looked at, so that events of a journey can be sent again.
    #[schema(schema_with = anything)]
    received_at: Option<Value>,
}

/// An event as it is sent: its fields, with a user or at least a browser.
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

/// An RFC 3339 time, or milliseconds.
fn time() -> Schema {
    let text =
        ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::Custom("date-time".to_owned())));
    // A smaller number would be of seconds.
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
