use arrow_array::{cast::AsArray, types::Decimal128Type};

use super::*;
use crate::{
    fs::Disk,
    lake::{
        files::{
            events_writer::{EventsWriter, Folders},
            layout::Layout,
            parquet_file::Tail,
            schema::{BatchBuilder, EVENTS, column},
        },
        rows::row::Row,
    },
};

/// Writes a file of `count` rows with every kind of page: nulls in runs and alone, texts with and without repetition,
/// dictionaries, and a dictionary that grew too large for its column.
fn file(layout: &Layout, count: usize, random: &mut fastrand::Rng) -> Tail {
    layout.create().unwrap();
    let mut writer = EventsWriter::create(layout, 1, count, 1).unwrap();
    let mut builder = BatchBuilder::new();
    let mut user = "user-0".to_owned();
    let mut session = Some("first".to_owned());
    let (mut without_value, mut values) = (0, 0);
    for number in 0..count {
        if random.u8(..4) == 0 {
            user = format!("user-{number:08}{}", ["", "-with-a-tail-that-is-long", "-ä"][random.usize(..3)]);
        }
        if random.u8(..3) == 0 {
            session = (random.u8(..4) > 0).then(|| format!("{:x}", random.u64(..)));
        }
        if without_value == 0 && random.u8(..50) == 0 {
            without_value = random.usize(1..3000);
        }
        without_value = usize::saturating_sub(without_value, 1);
        let (page, product) = (format!("/page/{}", random.u8(..200)), format!("{number:064}"));
        let has_value = without_value == 0 && random.bool();
        values += usize::from(has_value);
        builder.push(&Row {
            id: random.u128(..).to_le_bytes(),
            user_id: &user,
            event_type: ["purchase", "page_view", "search"][random.usize(..3)],
            occurred_at: random.i64(0..86_400_000),
            received_at: 0,
            anonymous_id: None,
            session_id: session.as_deref(),
            properties: None,
            order_value: has_value.then(|| random.i64(-5_000..5_000) * 10_000),
            currency: has_value.then_some("EUR"),
            page: (number % 7 > 0).then_some(&page),
            product: Some(&product),
            search: None,
        });
    }
    assert!(values > 0);
    writer.write(&builder.finish().unwrap()).unwrap();
    writer.finish(&mut Folders::default()).unwrap().tail
}

/// Returns what Arrow reads of a column of text.
fn texts(input: &Input, footer: &Footer, column: usize) -> Vec<Option<String>> {
    let batches = input.read(footer, &EVENTS, &[column], None, 4096).unwrap();
    let columns = batches.map(|batch| batch.unwrap().column(0).as_string::<i32>().clone());
    columns.flat_map(|column| column.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()).collect()
}

fn order_values(input: &Input, footer: &Footer) -> Vec<Option<i64>> {
    let batches = input.read(footer, &EVENTS, &[column::ORDER_VALUE], None, 4096).unwrap();
    let columns = batches.map(|batch| batch.unwrap().column(0).as_primitive::<Decimal128Type>().clone());
    columns.flat_map(|column| column.iter().map(|value| value.map(|value| value as i64)).collect::<Vec<_>>()).collect()
}

#[test]
fn agrees_with_arrow() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
    let mut random = fastrand::Rng::with_seed(5);
    let count = 40_000;
    let tail = file(&layout, count, &mut random);
    let input = Input::open(&Disk, &layout.events_file(1)).unwrap();
    let footer = input.footer(count as u64, tail).unwrap();
    let input = Arc::new(input.checked(&footer));
    let pages = |column| Pages::new(&input, &footer, column);
    let columns = [column::USER_ID, column::SESSION_ID, column::EVENT_TYPE, column::PAGE, column::PRODUCT];
    let [users, sessions, types, names, products] = columns.map(|column| texts(&input, &footer, column));
    let values = order_values(&input, &footer);
    let nothing_found = texts(&input, &footer, column::SEARCH);
    assert!(nothing_found.iter().all(Option::is_none));

    let mut decoder = Decoder::default();
    let random_range = |random: &mut fastrand::Rng| {
        let (one, other) = (random.usize(..=count), random.usize(..=count));
        one.min(other)..one.max(other)
    };
    let ranges = [0..count, 0..1, count - 1..count, 4096..8192, 5..5];
    for rows in ranges.into_iter().chain((0..40).map(|_| random_range(&mut random))) {
        let mut runs = Vec::new();
        let each = |text: &[u8], rows: Range<usize>| runs.push((String::from_utf8(text.to_vec()).unwrap(), rows));
        decoder.runs(pages(column::USER_ID), &rows, each).unwrap();
        let spread = runs.iter().flat_map(|(user, rows)| rows.clone().map(move |_| Some(user.clone())));
        assert!(spread.eq(users[rows.clone()].iter().cloned()), "users in {rows:?}");
        assert!(runs.windows(2).all(|pair| pair[0].0 != pair[1].0), "runs in {rows:?} are as long as can be");

        // Each text is read as its index in the list `seen`.
        let (mut seen, mut read) = (vec![None], Vec::new());
        let make = |text: &[u8]| {
            seen.push(Some(String::from_utf8(text.to_vec()).unwrap()));
            seen.len() - 1
        };
        decoder.texts(pages(column::SESSION_ID), &rows, 0, make, &mut read).unwrap();
        assert!(read.iter().map(|row| &seen[*row]).eq(&sessions[rows.clone()]), "sessions in {rows:?}");

        for (column, expected) in [(column::EVENT_TYPE, &types), (column::PAGE, &names), (column::PRODUCT, &products)] {
            let (mut seen, mut read) = (vec![None], Vec::new());
            let mut make = |bytes: &mut &[u8]| {
                seen.push(Some(String::from_utf8(plain_text(bytes)?.to_vec()).ok()?));
                Some(seen.len() - 1)
            };
            decoder.values(pages(column), &rows, 0, &mut make, &mut None, &mut read).unwrap();
            assert!(read.iter().map(|row| &seen[*row]).eq(&expected[rows.clone()]), "column {column} in {rows:?}");
        }
        let mut read = Vec::new();
        let mut make = |bytes: &mut &[u8]| plain_number(bytes).map(Some);
        decoder.values(pages(column::ORDER_VALUE), &rows, None, &mut make, &mut None, &mut read).unwrap();
        assert_eq!(read, values[rows.clone()], "values in {rows:?}");
    }
}

#[test]
fn reuses_known_dictionary() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout { fs: Arc::new(Disk), root: dir.path().to_owned() };
    let tail = file(&layout, 3_000, &mut fastrand::Rng::with_seed(6));
    let input = Input::open(&Disk, &layout.events_file(1)).unwrap();
    let footer = input.footer(3_000, tail).unwrap();
    let input = Arc::new(input.checked(&footer));
    let pages = Pages::new(&input, &footer, column::PAGE);
    let (mut decoder, mut dictionary, mut made) = (Decoder::default(), None, Vec::new());
    let mut calls = 0;
    let mut make = |bytes: &mut &[u8]| {
        calls += 1;
        plain_text(bytes).map(<[u8]>::len)
    };
    decoder.values(pages, &(0..10), 0, &mut make, &mut dictionary, &mut made).unwrap();
    let all = dictionary.as_ref().map(Dictionary::len).unwrap();
    decoder.values(pages, &(5..3_000), 0, &mut make, &mut dictionary, &mut made).unwrap();
    assert_eq!((calls, made.len()), (all, 2_995));
}
