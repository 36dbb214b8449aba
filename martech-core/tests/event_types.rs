//! Public behavior of the small types of the event model.

use std::iter;

use martech_core::event::{Currency, EventId, EventIdError, EventType, EventTypes, Timestamp};
use proptest::{collection::vec, prelude::*};

#[test]
fn id_is_a_uuid_or_is_hashed_to_one() {
    let text = "018f3b2a-0000-7000-8000-0000000000aa";
    let id = EventId::from_text(text).unwrap();
    assert_eq!(id.to_string(), text);
    assert_eq!(EventId::from_text(&text.to_uppercase()), Ok(id));
    assert_eq!(EventId::from_text(&text.replace('-', "")), Ok(id));
    assert_eq!(EventId::from_bytes(*id.as_bytes()), id);
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<EventId>(&format!("\"{text}\"")).unwrap(), id);
    // A fixed value, because a change would store every resent event twice.
    assert_eq!(EventId::from_text("order-1").unwrap().to_string(), "d29add4e-dab8-51ad-85fe-fff442025e2e");
    assert_ne!(EventId::from_text("order-1"), EventId::from_text("Order-1"));
    for blank in ["", " ", "\t\u{3000}", "\u{200b}", "\u{feff} "] {
        assert_eq!(EventId::from_text(blank), Err(EventIdError::Empty), "{blank:?}");
    }
    assert_eq!(EventId::from_text(&"x".repeat(129)), Err(EventIdError::TooLong));
}

#[test]
fn new_ids_are_ascending() {
    let ids: Vec<_> = (0..10_000).map(|_| EventId::new_v7()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(ids.iter().all(|id| id.0.get_version_num() == 7));
}

#[test]
fn parses_list_of_types() {
    let types: EventTypes = " wishlist_add,review:posted ,\tx ,".parse().unwrap();
    for name in ["wishlist_add", "review:posted", "x", "page_view"] {
        assert_eq!(types.get(name).unwrap().as_str(), name);
    }
    assert!(types.get("y").is_none());
    assert_eq!("".parse(), Ok(EventTypes::known()));
    assert_eq!("*".parse(), Ok(EventTypes::any()));
    assert!(EventTypes::any().get("y").is_some() && EventTypes::any().get("9y").is_none());
    let error = "ok,not ok!".parse::<EventTypes>().unwrap_err();
    assert!(error.to_string().contains("\"not ok!\""), "{error}");
    assert!(EventTypes::known().with(EventType::parse("z").unwrap()).takes(&EventType::parse("z").unwrap()));
}

#[test]
fn time_is_rfc_3339() {
    let time: Timestamp = "2026-11-22T10:15:00.2509+01:00".parse().unwrap();
    assert_eq!(time.to_string(), "2026-11-22T09:15:00.250Z");
    assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-22T09:15:00.250Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>("\"2026-11-22T09:15:00.250Z\"").unwrap(), time);
    assert_eq!("1969-12-31T23:59:59.9999Z".parse(), Ok(Timestamp::from_millis(-1)));
    for lax in ["2026-11-22 09:15:00.25Z", "2026-11-22T10:15:00.25+0100", "20261122T091500.25Z"] {
        assert_eq!(lax.parse(), Ok(time), "{lax}");
    }
    assert_eq!(Timestamp::from_millis(-1).day(), -1);
    assert_eq!(Timestamp::from_millis(86_400_000).day(), 1);
    for text in
        ["", "2026-11-22", "2026-11-22T10:15:00", "10:15:00Z", "2026-11-22T10:15:00+27:00", "2026-11-22T10:15:00+24:00"]
    {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
    // Times beyond the calendar have no date to show, but must not panic.
    assert!(Timestamp::from_millis(i64::MAX).to_string().starts_with("9999-"));
    assert!(Timestamp::from_millis(i64::MIN).to_string().starts_with("-"));
}

#[test]
fn currency_is_uppercase() {
    let currency: Currency = "usd".parse().unwrap();
    assert_eq!(currency, Currency::USD);
    assert_eq!(currency.as_str(), "USD");
    assert_eq!(serde_json::to_string(&currency).unwrap(), "\"USD\"");
    assert_eq!(serde_json::from_str::<Currency>("\"usdt2024\"").unwrap().as_str(), "USDT2024");
    for text in ["", "us", "123456789", "us$", "€ur", "us d"] {
        assert!(text.parse::<Currency>().is_err(), "{text}");
    }
}

#[test]
fn iso_4217_accepts_only_listed_codes() {
    assert_eq!(Currency::iso_4217("eur").unwrap().as_str(), "EUR");
    for code in ["USD", "JPY", "ZWG", "DEM", "HRK", "AED"] {
        assert_eq!(Currency::iso_4217(code).map(|currency| currency.to_string()).as_deref(), Ok(code));
    }
    for text in ["Euro", "EURO", "EUO", "USDT", "840", "AED AFN", "", "E U"] {
        assert!(Currency::iso_4217(text).unwrap_err().to_string().contains("such as USD"), "{text}");
    }
}

proptest! {
    #[test]
    fn times_roundtrip(millis in -62_135_596_800_000_i64..=253_402_207_200_000) {
        let time = Timestamp::from_millis(millis);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }

    /// The first character is visible and belongs to no UUID, so that only the length decides.
    #[test]
    fn accepts_ids_of_up_to_128_characters(rest in vec(any::<char>(), 100..150)) {
        let text: String = iter::once('x').chain(rest).collect();
        prop_assert_eq!(EventId::from_text(&text).is_ok(), text.chars().count() <= 128);
    }
}
