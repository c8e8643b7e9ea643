//! `<netinet/*.h>`.

pub mod r#in;
pub mod tcp;
