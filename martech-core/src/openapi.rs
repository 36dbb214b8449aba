//! How the smallest parts of answers look, for OpenAPI: they serialize themselves as text. All else derives its schema.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
        schema::{AdditionalProperties, Schema, Type},
    },
};

use crate::{
    event::{Currency, Event, EventId, EventType, MoneySum, Timestamp, UserEvent},
    query::LocalTime,
};

macro_rules! text {
    ($($type:ident: $description:literal, $example:literal, $refine:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).description(Some($description));
                let refine: fn(ObjectBuilder) -> ObjectBuilder = $refine;
                refine(text.examples([$example])).into()
            }
        }

        impl ToSchema for $type {}
    )+};
}

fn date_time(text: ObjectBuilder) -> ObjectBuilder {
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

text! {
    Timestamp: "A time in UTC.", "2026-11-22T10:15:00.250Z", date_time;
    LocalTime: "A time with the UTC offset of the time zone.", "2026-11-22T00:00:00+01:00", date_time;
    EventId: "The UUID of an event. An id that is not a UUID is returned as the UUIDv5 of its bytes.",
        "018f3c7e-5a1b-7c2d-8e4f-0a1b2c3d4e5f",
        |text| text.format(Some(SchemaFormat::Custom("uuid".to_owned())));
    Currency: "A currency code.", "EUR", |text| text.pattern(Some("^[A-Z0-9]{3,8}$"));
    EventType: "The type of an event.", "page_view", |text| text.pattern(Some("^[A-Za-z][A-Za-z0-9_.:-]{0,63}$"));
    MoneySum: "An exact decimal number.", "1234.50", |text| text.pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$"));
}

/// As a journey shows it.
impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        event("An event of a user.").into()
    }
}

impl ToSchema for Event {}

impl PartialSchema for UserEvent<'_> {
    fn schema() -> RefOr<Schema> {
        event("An event and its user.").property("userId", text("The user.")).required("userId").into()
    }
}

impl ToSchema for UserEvent<'_> {
    // The name of the type has a lifetime.
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UserEvent")
    }
}

fn event(description: &str) -> ObjectBuilder {
    let properties = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("The properties that the sender gave."))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("eventId", EventId::schema())
        .property("type", EventType::schema())
        .property("occurredAt", Timestamp::schema())
        .property("receivedAt", Timestamp::schema())
        .property("sessionId", text("The session of the event."))
        .property("anonymousId", text("The browser or device."))
        .property("properties", properties)
        .required("eventId")
        .required("type")
        .required("occurredAt")
        .required("receivedAt")
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}
