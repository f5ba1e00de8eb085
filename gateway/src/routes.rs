//! All routes of a gateway.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{from_fn, from_fn_with_state, map_request, map_response},
    response::Response,
    routing::{get, post, put},
};

use crate::{
    api::{
        approvals, asked_file, content_encoding, dev_token, event_stream, files, functions, openapi, page,
        problem::Problem, publish, run_files, schedules, shared_file, task_log, task_routes,
    },
    dev_host,
    hub::{negotiate, refresh, routes as hub},
    path,
    pod::Pod,
};

/// The routes over a pod.
pub fn routes(pod: Pod) -> Router {
    // The page and the module are for everybody, the tokens of `bellwire dev` for no other page; CORS for the listed
    // origins covers only the rest.
    let pages = Router::new()
        .route("/", get(page::index))
        .route("/client/{*path}", get(page::client))
        .route("/dev/token", get(dev_token::issue))
        .method_not_allowed_fallback(method_not_allowed);
    let cors = pod.config.origins.cors(&pod.config.allowed_headers);
    let mut all = services().layer(from_fn(content_encoding::inflate)).layer(cors).merge(pages);
    if pod.issues_dev_tokens {
        all = all.layer(from_fn_with_state(pod.clone(), dev_host::check));
    }
    let all = all.layer(map_response(add_security_headers)).with_state(pod);
    // Before a route is chosen.
    Router::new().fallback_service(all).layer(map_request(path::with_usual_path))
}

fn services() -> Router<Pod> {
    Router::new()
        .route("/events", get(event_stream::stream).head(event_stream::head))
        .route("/events/refresh", post(refresh::refresh_stream))
        .route("/api/events", post(publish::publish))
        .route("/api/tasks", post(task_routes::start).get(task_routes::list))
        .route("/api/tasks/{id}", get(task_routes::show).delete(task_routes::cancel))
        .route("/api/tasks/{id}/log", get(task_log::show))
        .route("/api/tasks/{id}/steps/{step}", post(approvals::answer))
        .route("/api/tasks/{id}/steps/{step}/files/{*key}", get(asked_file::download))
        .route("/api/tasks/{id}/files", get(run_files::list))
        .route("/api/tasks/{id}/files.zip", get(run_files::archive))
        .route("/api/approvals", get(approvals::list))
        .route("/api/files/{*key}", put(files::upload).get(files::download).delete(files::delete))
        .route("/api/shared/{id}/{name}", get(shared_file::download))
        .route("/api/functions", get(functions::list))
        .route("/api/schedules", get(schedules::list))
        .route("/api/schedules/{kind}/{name}/pause", post(schedules::pause))
        .route("/api/schedules/{kind}/{name}/resume", post(schedules::resume))
        .route("/api/schedules/{kind}/{name}/run", post(schedules::run))
        .route("/api/openapi.json", get(openapi::document))
        .route("/hub", get(hub::connect).post(hub::post).delete(hub::delete))
        .route("/hub/negotiate", post(negotiate::negotiate))
        .route("/hub/refresh", post(refresh::refresh))
        .fallback(async |uri: Uri| Problem::not_found(format!("there is nothing at {}", uri.path())))
        .method_not_allowed_fallback(method_not_allowed)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} cannot be used with {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Forbids browsers to guess a type, to send the address of a page to those it links to, and to show an answer as a page
/// with anything in it, or within another's.
async fn add_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
    response
}
