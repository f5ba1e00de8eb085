//! All routes of a gateway.

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::map_response,
    response::Response,
    routing::{get, post, put},
};

use crate::{
    api::{
        approvals, dev_token, event_stream, files, functions, openapi, page, problem::Problem, publish, task_routes,
    },
    hub::{negotiate, routes as hub},
    pod::Pod,
};

/// The routes over a pod.
pub fn routes(pod: Pod) -> Router {
    // The page and the module are for everybody; CORS for the listed origins covers only the rest.
    let pages = Router::new()
        .route("/", get(page::index))
        .route("/client/{*path}", get(page::client))
        .method_not_allowed_fallback(method_not_allowed);
    let cors = pod.config.origins.cors();
    services().layer(cors).merge(pages).layer(map_response(add_security_headers)).with_state(pod)
}

fn services() -> Router<Pod> {
    Router::new()
        .route("/events", get(event_stream::stream))
        .route("/api/events", post(publish::publish))
        .route("/api/tasks", post(task_routes::start).get(task_routes::list))
        .route("/api/tasks/{id}", get(task_routes::show).delete(task_routes::cancel))
        .route("/api/tasks/{id}/steps/{step}", post(approvals::answer))
        .route("/api/approvals", get(approvals::list))
        .route("/api/files/{*key}", put(files::upload).get(files::download).delete(files::delete))
        .route("/api/functions", get(functions::list))
        .route("/api/openapi.json", get(openapi::document))
        .route("/hub", get(hub::connect).post(hub::post).delete(hub::delete))
        .route("/hub/negotiate", post(negotiate::negotiate))
        .route("/dev/token", get(dev_token::issue))
        .fallback(async |uri: Uri| Problem::not_found(format!("there is nothing at {}", uri.path())))
        .method_not_allowed_fallback(method_not_allowed)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} cannot be used with {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// Forbids browsers to guess a type, and to send the address of a page to those it links to.
async fn add_security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}
