//! filters

mod fql;
pub use fql::{Expression,FqlError};
