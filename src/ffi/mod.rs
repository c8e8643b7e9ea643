//! The C API as it is: one module per header, at the header's own path.
