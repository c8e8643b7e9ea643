//! The server: one process per connection.

pub mod proxy_protocol;
pub mod rules;
