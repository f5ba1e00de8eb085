//! `GET /api/functions`: the functions that can be started, as their workers describe them.

use axum::Json;
use model::{
    Policies,
    catalogue::{Description, allows},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::counted_caller::CountedCaller;

/// The functions, each with the offers that the caller may start.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Shown)]
pub struct FunctionList {
    /// By kind: `kind`, `title`, `input` (a JSON Schema) and `offers`, each with a form's `fields`.
    #[schema(value_type = Vec<Object>)]
    functions: Vec<Description>,
}

/// List what can be started.
#[utoipa::path(
    get, path = "/api/functions", tag = "tasks",
    responses((status = 200, body = FunctionList), (status = 401, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)),
)]
pub async fn list(caller: CountedCaller) -> Result<Json<FunctionList>, Problem> {
    let mut functions = caller.environment.functions.all().await?.to_vec();
    for function in &mut functions {
        // Whose they are is nobody else's matter; `/api/schedules` has them. Nor does a form need to know how tasks are treated.
        function.schedules.clear();
        function.policies = Policies::default();
        function.offers.retain(|offer| allows(&offer.allow, &caller.claims.sub, &caller.claims.groups));
    }
    Ok(Json(FunctionList { functions }))
}
