use super::*;
use crate::identity::{KeyKind, ProjectId};

fn rejection(code: &'static str, field: &str) -> Rejection {
    let field = Some(field.to_owned()).filter(|field| !field.is_empty());
    Rejection { code: code.into(), message: "no".into(), field, index: Some(0), event_type: None, count: 1 }
}

fn request(sender: &str) -> RejectedRequest<'static> {
    RejectedRequest { sender: RejectedSender::new(None, sender.parse().unwrap()), ..RejectedRequest::default() }
}

fn key(id: &str, origins: &[&str]) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        secret_hash: String::new(),
        hint: "x1y2".to_owned(),
        name: "storefront".to_owned(),
        kind: KeyKind::Write,
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        project: ProjectId::default(),
        created_by: None,
        created_at: at(0),
        last_used_at: None,
        expires_at: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_760_000_000_000 + 1_000 * seconds)
}

/// Returns the codes, fields and counts of all entries.
fn listed(rejects: &Rejects) -> Vec<(String, Option<String>, u64)> {
    let entries = rejects.list(None, usize::MAX).into_iter();
    entries.map(|(_, entry)| (entry.code.into_owned(), entry.field, entry.count)).collect()
}

#[test]
fn counts_repetitions_of_a_kind_and_keeps_the_last_details() {
    let rejects = Rejects::default();
    let mut repeated = rejection("unknown_type", "type");
    rejects.add(&request("192.0.2.1"), [repeated.clone()], at(0));
    rejects.add(&request("192.0.2.1"), [rejection("unknown_type", "other")], at(1));
    (repeated.message, repeated.index, repeated.count) = ("event type x is not accepted".into(), Some(7), 5);
    let later = RejectedRequest { status: Some(202), request_id: Some("r-2"), ..request("192.0.2.2") };
    rejects.add(&later, [repeated.clone()], at(599));
    let (_, entry) = rejects.list(None, 1).remove(0);
    assert_eq!((entry.at, entry.last_at, entry.count), (at(0), at(599), 6));
    assert_eq!((entry.index, entry.status, entry.request_id.as_deref()), (Some(7), Some(202), Some("r-2")));
    assert!(entry.message.starts_with("event type x"));
    assert_eq!(listed(&rejects).len(), 2);
    // The entry counts for ten minutes.
    rejects.add(&later, [repeated], at(600));
    assert_eq!(rejects.list(None, 9).iter().map(|(_, entry)| entry.count).collect::<Vec<_>>(), [5, 6, 1]);
}

#[test]
fn code_field_key_origin_and_type_make_a_kind() {
    let rejects = Rejects::default();
    let plain = || rejection("a", "f");
    let keys = ["k1", "k2"].map(|id| key(id, &[]));
    let of_page = RejectedRequest { origin: Some("https://shop.example"), ..request("192.0.2.1") };
    for _ in 0..2 {
        rejects.add(&request("192.0.2.1"), [plain(), rejection("b", "f"), rejection("a", "g")], at(0));
        rejects.add(&request("192.0.2.1"), [Rejection { event_type: Some(EventType::SEARCH), ..plain() }], at(0));
        for key in &keys {
            rejects.add(&RejectedRequest { key: Some(key), ..request("192.0.2.1") }, [plain()], at(0));
        }
        rejects.add(&of_page, [plain()], at(0));
    }
    let listed = listed(&rejects);
    assert!(listed.len() == 7 && listed.iter().all(|(_, _, count)| *count == 2), "{listed:?}");
}

#[test]
fn pages_show_each_entry_once_while_entries_repeat() {
    let rejects = Rejects::default();
    let fields: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
    let add = |field: &str| rejects.add(&request("192.0.2.1"), [rejection("a", field)], at(0));
    fields.iter().for_each(|field| add(field));
    let first = rejects.list(None, 4);
    add("f9");
    add("f3");
    let second = rejects.list(first.last().map(|(number, _)| *number), 100);
    let shown =
        |page: &[(u64, Entry)]| -> Vec<String> { page.iter().map(|(_, entry)| entry.field.clone().unwrap()).collect() };
    assert_eq!(shown(&first), ["f9", "f8", "f7", "f6"]);
    assert_eq!(shown(&second), ["f5", "f4", "f2", "f1", "f0"], "f3 is new again");
    assert_eq!(shown(&rejects.list(None, 2)), ["f3", "f9"]);
}

#[test]
fn secret_keys_identify_senders_and_keys_of_pages_do_not() {
    let address = |text: &str| text.parse().unwrap();
    let sender = |key: &ApiKey, from: &str| RejectedSender::new(Some(key), address(from));
    let (secret, page) = (key("k1", &[]), key("k1", &["https://shop.example"]));
    assert_eq!(sender(&secret, "192.0.2.1"), sender(&secret, "192.0.2.2"));
    assert_ne!(sender(&page, "192.0.2.1"), sender(&page, "192.0.2.2"));
    assert_eq!(sender(&page, "2001:db8:0:1::1"), RejectedSender::new(None, address("2001:db8:0:2::1")));
}

#[test]
fn a_sender_who_makes_up_kinds_pushes_out_only_their_own_entries() {
    let rejects = Rejects::default();
    for n in 0..300 {
        rejects.add(&request("192.0.2.1"), [rejection("honest", &format!("f{n}"))], at(0));
    }
    let of_key = RejectedRequest { sender: RejectedSender::Key("k1".to_owned()), ..RejectedRequest::default() };
    rejects.add(&of_key, [rejection("honest", "key")], at(0));
    // All addresses of a /48 are one sender.
    for n in 0..20_000 {
        rejects.add(
            &request(&format!("2001:db8:0:{:x}::1", n % 50_000)),
            [rejection("made_up", &n.to_string())],
            at(1),
        );
    }
    let listed = listed(&rejects);
    assert_eq!(listed.iter().filter(|(code, ..)| code == "honest").count(), 301);
    assert_eq!(listed[0].1.as_deref(), Some("19999"), "the newest of the others are kept");
    assert_eq!(listed.len(), MAX_ENTRIES);
}

#[test]
fn memory_is_bounded_whatever_clients_send() {
    let rejects = Rejects::default();
    let long = "é".repeat(20_000);
    for n in 0..2_000 {
        let origin = format!("{n}{long}");
        let request = RejectedRequest {
            status: Some(400),
            request_id: Some("r"),
            key: None,
            origin: Some(&origin),
            user_agent: Some(&long),
            sender: RejectedSender::new(None, std::net::Ipv4Addr::from_bits(n).into()),
        };
        let rejection = Rejection { message: long.clone().into(), field: Some(long.clone()), ..rejection("a", "") };
        rejects.add(&request, [rejection], at(0));
        let log = rejects.log();
        let held: usize = log.entries.values().map(|kept| kept.entry.bytes()).sum();
        assert!(log.bytes <= MAX_BYTES && log.entries.len() <= MAX_ENTRIES);
        assert_eq!((log.bytes, log.senders.values().sum()), (held, held));
        assert_eq!((log.kinds.len(), log.senders.len()), (log.entries.len(), log.entries.len()));
    }
    let (_, entry) = rejects.list(None, 1).remove(0);
    let text = |text: &Option<String>| text.as_ref().unwrap().len();
    assert_eq!(entry.message.len(), MAX_MESSAGE);
    assert!([&entry.field, &entry.origin, &entry.user_agent].iter().all(|found| text(found) <= MAX_TEXT));
    // Short entries are limited by their number.
    let rejects = Rejects::default();
    for n in 0..2_000 {
        rejects.add(&request("192.0.2.1"), [rejection("a", &n.to_string())], at(0));
    }
    assert_eq!(rejects.list(None, usize::MAX).len(), MAX_ENTRIES);
}
