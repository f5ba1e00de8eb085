//! All routes of a gateway.

use axum::{
    Json, Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::map_response,
    response::Response,
    routing::{get, post, put},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{dev_token, files, listen, page, pod::Pod, problem::Problem, publish, tasks};

/// The routes over a pod.
pub fn routes(pod: Pod) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/client/{*path}", get(page::client))
        .route("/events", get(listen::listen))
        .route("/api/events", post(publish::publish))
        .route("/api/tasks", post(tasks::start).get(tasks::list))
        .route("/api/tasks/{id}", get(tasks::see).delete(tasks::cancel))
        .route("/api/files/{*key}", put(files::upload).get(files::download))
        .route("/api/openapi.json", get(async || Json(Api::openapi())))
        .route("/dev/token", get(dev_token::hand_out))
        .fallback(async |uri: Uri| Problem::not_found(format!("there is nothing at {}", uri.path())))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let detail = format!("{} cannot be used with {method}", uri.path());
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        })
        .layer(map_response(harden))
        .with_state(pod)
}

/// On every answer: a browser must not guess a type, nor tell others where a link was followed from.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Bellwire", description = "Tells people in a browser, the moment it happens, what their background work has come to."),
    paths(
        listen::listen, publish::publish, tasks::start, tasks::list, tasks::see, tasks::cancel, files::upload, files::download,
    ),
    modifiers(&Bearer),
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}
