//! Imports of files: upload a file, import it, see the progress, and download the rejected records.

mod download;
mod options;

use std::sync::Arc;

use axum::{
    Json,
    body::Body as ResponseBody,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use martech_core::event::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use self::options::ImportRequest;
use super::{audit::note, auth::Body};
use crate::{
    http::{
        auth::{Access, Caller},
        bodies::{Pieces, RequestBody, promised},
        error::{ApiError, catalogue},
        openapi::{
            Refusals,
            faults::{DiskSpaceLow, ImportRunning, ImportsBusy, NotFound, OfBody, OfUpload, TooManyImports},
        },
        params::{Named, Params},
    },
    identity::{Action, Origin, Role, Target},
    import::{Counts, Format, ImportError},
    projects::{ImportPermit, Project},
    routes::ApiState,
    uploads::{Incoming, Reason, State as ImportState, Upload, UploadError, Uploads},
};

/// An uploaded file, and its last import.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportShape {
    id: String,
    file_name: String,
    /// The size of the file.
    bytes: u64,
    state: ImportState,
    /// The detected format.
    format: Format,
    /// The detected delimiter of delimited text: one character, `tab` or `whitespace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    delimiter: Option<String>,
    /// The detected encoding, if it is not UTF-8 and the file has no byte order mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    encoding: Option<String>,
    /// The names of the columns, or the paths of the members of JSON objects. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    columns: Option<Vec<String>>,
    /// The first records, at most five, as the texts of their columns. Long texts are cut. Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    sample: Option<Vec<Vec<String>>>,
    created_at: Timestamp,
    /// Whether the last import was a dry run. Absent before the first import.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    dry_run: Option<bool>,
    /// The counts of the last import. In a dry run, `stored` counts the events that would be sent to the store.
    counts: Counts,
    /// The bytes of the file that the last import has read.
    bytes_read: u64,
    /// The most frequent reasons for rejections, at most ten.
    reasons: Vec<Reason>,
    /// The number of rejected records that the download leaves out, because it has at most 64 MiB. Absent if it has all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    rejects_omitted: Option<u64>,
    /// The first event of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Object)]
    first_event: Option<Box<RawValue>>,
    /// Why the last import ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    error: Option<String>,
    /// When the last import ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    finished_at: Option<Timestamp>,
}

impl From<Upload> for ImportShape {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id,
            file_name: upload.file_name,
            bytes: upload.bytes,
            state: upload.state,
            format: upload.format,
            delimiter: upload.delimiter,
            encoding: upload.encoding,
            columns: Some(upload.columns),
            sample: Some(upload.sample),
            created_at: upload.created_at,
            dry_run: upload.dry_run,
            counts: upload.counts,
            bytes_read: upload.bytes_read,
            reasons: upload.reasons,
            rejects_omitted: Some(upload.rejects_omitted).filter(|omitted| *omitted > 0),
            first_event: upload.first_event.and_then(|event| RawValue::from_string(event).ok()),
            error: upload.error,
            finished_at: upload.finished_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct ImportList {
    imports: Vec<ImportShape>,
}

/// Upload a file.
///
/// Stores a file of up to 4 GiB to import it: NDJSON, other JSON, CSV or other delimited text, plain or compressed with
/// gzip or zstd. The response has the detected format and the first records. The server keeps the file for a day, and
/// at most ten files of a project and fifty in all. With several servers, a file is on the server that received it.
#[utoipa::path(
    post,
    path = "/admin/imports",
    tag = "Imports",
    operation_id = "uploadImport",
    params(("fileName" = String, Query, description = "The name of the file. Its extension helps to detect the format.", min_length = 1, max_length = 255)),
    request_body(
        description = "The bytes of the file.",
        content((String = "application/octet-stream", example = "customer;amount\nanna@shop.example;59,90\n"))
    ),
    responses((status = 201, description = "The upload.", body = ImportShape), Refusals<(OfUpload, TooManyImports, DiskSpaceLow)>),
)]
pub(super) async fn upload(
    State(state): State<ApiState>,
    project: Project,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let mut pieces = state.small_bodies.pieces(&head.headers, body);
    let no_project = || UploadError::NoProject(project.id().clone()).into();
    let received = match project.import_permit() {
        Some(permit) => tokio::select! {
            received = receive(&state.uploads, permit.clone(), params, &head.headers, &mut pieces) => received,
            () = state.uploads.stopped() => Err(UploadError::Stopping.into()),
            () = permit.closing() => Err(no_project()),
        },
        None => Err(no_project()),
    };
    let (name, incoming) = match received {
        Ok(received) => received,
        Err(error) => {
            pieces.give_up(&error).await;
            return Err(error);
        }
    };
    // Receiving a file may take hours.
    caller.may_still(&state.access, Role::Admin, project.id()).await?;
    let upload = incoming.finish(name).await?;
    Ok((StatusCode::CREATED, Json(ImportShape::from(upload))).into_response())
}

/// Checks a request, and receives its file. Returns the name of the file.
async fn receive<B: RequestBody>(
    uploads: &Uploads,
    permit: ImportPermit,
    mut params: Params,
    headers: &HeaderMap,
    pieces: &mut Pieces<'_, B>,
) -> Result<(String, Incoming), ApiError> {
    let name = params.one("fileName", file_name)?;
    params.finish()?;
    let missing = || catalogue::invalid_parameter("fileName", "fileName must be the name of the file");
    let name = name.ok_or_else(missing)?;
    pieces.check()?;
    let mut incoming = uploads.receive(permit, promised(headers).unwrap_or_default() as u64).await?;
    while let Some(piece) = pieces.next().await? {
        incoming.write(&piece).await?;
    }
    Ok((name, incoming))
}

/// Parses the name of a file, which is shown only: the file is stored under another name.
fn file_name(text: &str) -> Result<String, &'static str> {
    let is_sound = (1..=255).contains(&text.chars().count()) && !text.contains(|c: char| c.is_control() || c == '/');
    if is_sound {
        Ok(text.to_owned())
    } else {
        Err("must have 1 to 255 characters, without slashes and control characters")
    }
}

/// List imports.
///
/// Returns the uploads of the project on this server, newest first, without their columns and first records.
#[utoipa::path(
    get,
    path = "/admin/imports",
    tag = "Imports",
    operation_id = "listImports",
    responses((status = 200, description = "The uploads.", body = ImportList)),
)]
pub(super) async fn list(State(uploads): State<Uploads>, project: Project) -> Json<ImportList> {
    let short = |upload| ImportShape { columns: None, sample: None, ..ImportShape::from(upload) };
    Json(ImportList { imports: uploads.list(&project).into_iter().map(short).collect() })
}

/// Get an import.
///
/// Returns an upload with the progress or the result of its last import.
#[utoipa::path(
    get,
    path = "/admin/imports/{id}",
    tag = "Imports",
    operation_id = "getImport",
    params(("id" = String, Path, description = "The id of the import.")),
    responses((status = 200, description = "The upload.", body = ImportShape), Refusals<NotFound>),
)]
pub(super) async fn get(
    State(uploads): State<Uploads>,
    project: Project,
    Named(id): Named,
) -> Result<Json<ImportShape>, ApiError> {
    Ok(Json(uploads.get(&project, &id)?.into()))
}

/// Import an uploaded file.
///
/// Starts to import the file into the store of the project. A dry run stores nothing. A file can be imported again with
/// other options, and adds only events that the store does not have. The options are those of the command
/// `martech-server import`. An option that you omit has the detected value, the setting of the project, or the default
/// of the command.
#[utoipa::path(
    post,
    path = "/admin/imports/{id}/run",
    tag = "Imports",
    operation_id = "runImport",
    params(("id" = String, Path, description = "The id of the import.")),
    request_body = ImportRequest,
    responses(
        (status = 202, description = "The import has started.", body = ImportShape),
        Refusals<(OfBody, NotFound, ImportRunning, ImportsBusy)>
    ),
)]
pub(super) async fn run(
    State(uploads): State<Uploads>,
    State(access): State<Arc<Access>>,
    project: Project,
    Named(id): Named,
    caller: Caller,
    origin: Origin,
    Body(request): Body<ImportRequest>,
) -> Result<Response, ApiError> {
    let options = request.options(&project.settings().rules)?;
    let of_project = project.id().clone();
    let done = async move |upload: Upload| {
        if upload.dry_run == Some(false) {
            let counts = upload.counts;
            let detail = match upload.state {
                ImportState::Cancelled => format!("{counts} (cancelled)"),
                ImportState::Failed => format!("{counts} (failed)"),
                _ => counts.to_string(),
            };
            let target = Target::of(&upload.file_name).with(&detail);
            note(&access, Some(&of_project), Action::Imported, &caller, target, &origin).await;
        }
    };
    let started = uploads.run(&project, &id, options, done).await.map_err(|error| match &error {
        UploadError::Options(ImportError::Layout(layout)) => {
            let field = request.field_of(layout);
            ApiError::from(error).at(field)
        }
        _ => error.into(),
    })?;
    Ok((StatusCode::ACCEPTED, Json(ImportShape::from(started))).into_response())
}

/// Download rejected records.
///
/// Returns the records that the last import rejected, one JSON object on each line, with `line`, `record`, `code`,
/// `field`, `message` and `raw`. Returns the first 64 MiB, and `rejectsOmitted` of the import counts the other records.
#[utoipa::path(
    get,
    path = "/admin/imports/{id}/rejects",
    tag = "Imports",
    operation_id = "getImportRejects",
    params(("id" = String, Path, description = "The id of the import.")),
    responses(
        (status = 200, description = "The rejected records.", content_type = "application/x-ndjson", body = String,
            example = "{\"line\":3,\"record\":2,\"code\":\"invalid_time\",\"field\":\"occurredAt\",\"message\":\"...\",\"raw\":\"u2,search,never\"}\n"),
        Refusals<(NotFound, ImportRunning)>
    ),
)]
pub(super) async fn rejects(
    State(uploads): State<Uploads>,
    project: Project,
    Named(id): Named,
) -> Result<Response, ApiError> {
    let name = uploads.get(&project, &id)?.file_name;
    let rejects = uploads.rejects(&project, &id).await?;
    let body = rejects.map_or_else(ResponseBody::empty, download::body_of);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
        (header::CONTENT_DISPOSITION, attachment(&format!("{name}.rejects.ndjson"))),
    ];
    Ok((headers, body).into_response())
}

/// Returns the header of a download, by RFC 6266.
fn attachment(name: &str) -> HeaderValue {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_graphic() && !"\"\\%".contains(c) || c == ' ' { c } else { '_' }).collect();
    let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Remove an import.
///
/// Cancels the import if it runs, and removes the file and its rejected records. Events that were stored stay.
#[utoipa::path(
    delete,
    path = "/admin/imports/{id}",
    tag = "Imports",
    operation_id = "removeImport",
    params(("id" = String, Path, description = "The id of the import.")),
    responses((status = 204, description = "The upload was removed."), Refusals<(NotFound, ImportRunning)>),
)]
pub(super) async fn remove(
    State(uploads): State<Uploads>,
    project: Project,
    Named(id): Named,
) -> Result<StatusCode, ApiError> {
    uploads.remove(&project, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_downloads() {
        let header = attachment("a\"ü.csv");
        assert_eq!(header.to_str().unwrap(), "attachment; filename=\"a__.csv\"; filename*=UTF-8''a%22%C3%BC%2Ecsv");
    }
}
