//! Of a caller what a connection token is bound to.

use model::Environment;

use crate::token::{Claims, Key};

pub(crate) struct Caller {
    pub(crate) gate: Gate,
    pub(crate) claims: Claims,
}

pub(crate) struct Gate {
    pub(crate) environment: Environment,
    pub(crate) key: Key,
}
