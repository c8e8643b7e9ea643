//! A program that depends on `mpserv`, and prints Rust's side as the C side is printed.
#![allow(warnings)]

use mpserv::ffi;

include!("facts.rs");

fn main() {
    print();
}
