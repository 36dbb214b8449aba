//! Creation and validation of the index `{userId: 1, occurredAt: 1}`.

use mongodb::bson::{DateTime, Document, doc};

use super::{
    error::MongoError,
    event_collection::{EventCollection, timed_raw},
};

const NAME: &str = "userId_1_occurredAt_1";
/// Used if an index with another key already has that name.
const OTHER_NAME: &str = "martech_userId_1_occurredAt_1";

/// The index key, which is also the order in which the index returns events.
pub(super) fn key() -> Document {
    doc! { "userId": 1, "occurredAt": 1 }
}

/// Converts milliseconds since the epoch to a BSON date.
pub(super) fn date(millis: i64) -> DateTime {
    DateTime::from_millis(millis)
}

/// State of the index, as seen by queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    Ready,
    /// The server is still building it.
    Building,
    None,
}

/// Finds the index or creates it. An unusable or missing index adds a warning.
///
/// # Errors
/// When the index is unique, because it would reject two events of one user at the same time. When the server is
/// unavailable.
pub(super) async fn ensure(target: &EventCollection, warnings: &mut Vec<String>) -> Result<Index, MongoError> {
    let found = match list(target).await {
        Ok(found) => found,
        // A user with write access may lack the `listIndexes` privilege.
        Err(MongoError::Unauthorized(_) | MongoError::Other(_) | MongoError::WrongServer(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    warnings.extend(
        found
            .iter()
            .filter(|index| is_other_unique(index))
            .map(|index| format!("the index {} is unique and rejects events that are otherwise valid", name(index))),
    );
    match judge(&found)? {
        Verdict::Good => return Ok(Index::Ready),
        Verdict::Useless(why) => warnings.push(why),
        Verdict::Missing(name) => match create(target, name).await {
            Ok(()) => return Ok(Index::Ready),
            // Building the index over many events takes long, and the server continues after the client times out.
            // Appends do not have to wait for it.
            Err(MongoError::TimedOut(_)) => {
                warnings.push(
                    "the index {userId: 1, occurredAt: 1} is still being built; until then, queries read the whole \
                     collection"
                        .to_owned(),
                );
                return Ok(Index::Building);
            }
            Err(error @ MongoError::Unavailable(_)) => return Err(error),
            Err(error) => warnings.push(format!(
                "the index {{userId: 1, occurredAt: 1}} is missing and cannot be created ({error}); queries read the \
                 whole collection"
            )),
        },
    }
    Ok(Index::None)
}

/// Action that [`ensure`] takes for the index.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The index is missing and can be created under this name.
    Missing(&'static str),
    /// The index exists but queries cannot use it, for this reason.
    Useless(String),
}

fn judge(found: &[Document]) -> Result<Verdict, MongoError> {
    let Some(index) = found.iter().find(|index| is_ours(index)) else {
        let is_taken = found.iter().any(|index| name(index) == NAME);
        return Ok(Verdict::Missing(if is_taken { OTHER_NAME } else { NAME }));
    };
    if is_set(index, "unique") {
        let name = name(index);
        return Err(MongoError::WrongIndex(format!(
            "{name} is unique, so a user could have only one event at a time; drop it \
             (db.events.dropIndex(\"{name}\")), and it is created again"
        )));
    }
    let hindrance = [
        ("partialFilterExpression", "contains only some of the events"),
        ("collation", "has another collation than the queries"),
    ];
    let flags = [("sparse", "may omit events"), ("hidden", "is hidden")];
    let why = hindrance
        .into_iter()
        .find(|(option, _)| index.contains_key(*option))
        .or_else(|| flags.into_iter().find(|(option, _)| is_set(index, option)));
    Ok(why.map_or(Verdict::Good, |(_, why)| {
        let name = name(index);
        Verdict::Useless(format!(
            "the index {name} on {{userId: 1, occurredAt: 1}} {why}, so queries read the whole collection; drop it, \
             and the next start creates it again"
        ))
    }))
}

/// Whether the key is `{userId: 1, occurredAt: 1}`, with ascending directions in any numeric type.
fn is_ours(index: &Document) -> bool {
    let Ok(keys) = index.get_document("key") else { return false };
    let ascending = |value: &mongodb::bson::Bson| {
        value.as_i32() == Some(1) || value.as_i64() == Some(1) || value.as_f64() == Some(1.0)
    };
    keys.keys().map(String::as_str).eq(["userId", "occurredAt"]) && keys.values().all(ascending)
}

fn is_other_unique(index: &Document) -> bool {
    let is_id = index.get_document("key").is_ok_and(|keys| keys.keys().map(String::as_str).eq(["_id"]));
    is_set(index, "unique") && !is_id && !is_ours(index)
}

fn is_set(index: &Document, flag: &str) -> bool {
    index.get_bool(flag).is_ok_and(|set| set)
}

fn name(index: &Document) -> &str {
    index.get_str("name").unwrap_or("without a name")
}

async fn list(target: &EventCollection) -> Result<Vec<Document>, MongoError> {
    let command = doc! { "listIndexes": &target.options.collection, "cursor": { "batchSize": 1000 } };
    let answer = target.database.run_command(command);
    let answer = match timed_raw(target.options.answer_timeout, answer).await? {
        Ok(answer) => answer,
        // The collection does not exist yet.
        Err(error) if is_no_collection(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|error| MongoError::WrongServer(format!("listIndexes: {error}")))?;
    Ok(batch.iter().filter_map(|index| index.as_document().cloned()).collect())
}

fn is_no_collection(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(error) if error.code == 26)
}

async fn create(target: &EventCollection, name: &str) -> Result<(), MongoError> {
    let command = doc! { "createIndexes": &target.options.collection, "indexes": [{ "key": key(), "name": name }] };
    target.command(&target.database, command).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(options: Document) -> Document {
        let mut index = doc! { "name": NAME, "key": { "userId": 1, "occurredAt": 1.0 } };
        index.extend(options);
        index
    }

    #[test]
    fn judges_index_as_good_missing_useless_or_conflicting() {
        let id = doc! { "name": "_id_", "key": { "_id": 1 } };
        assert_eq!(judge(&[id.clone(), index(doc! {})]).unwrap(), Verdict::Good);
        assert_eq!(judge(&[id.clone(), index(doc! { "sparse": false, "name": "mine" })]).unwrap(), Verdict::Good);
        assert_eq!(judge(std::slice::from_ref(&id)).unwrap(), Verdict::Missing(NAME));
        let reversed = doc! { "name": "x", "key": { "occurredAt": 1, "userId": 1 } };
        assert_eq!(judge(&[id.clone(), reversed]).unwrap(), Verdict::Missing(NAME));
        let taken = doc! { "name": NAME, "key": { "userId": 1 } };
        assert_eq!(judge(&[id, taken]).unwrap(), Verdict::Missing(OTHER_NAME));
        for options in [
            doc! { "sparse": true },
            doc! { "hidden": true },
            doc! { "partialFilterExpression": { "type": "purchase" } },
            doc! { "collation": { "locale": "de" } },
        ] {
            assert!(matches!(judge(&[index(options)]).unwrap(), Verdict::Useless(why) if why.contains(NAME)));
        }
        assert!(judge(&[index(doc! { "unique": true })]).unwrap_err().to_string().contains("is unique"));
    }

    #[test]
    fn detects_other_unique_indexes() {
        assert!(is_other_unique(&doc! { "key": { "sessionId": 1 }, "unique": true }));
        assert!(!is_other_unique(&doc! { "key": { "_id": 1 }, "unique": true }));
        assert!(!is_other_unique(&doc! { "key": { "sessionId": 1 } }));
    }
}
