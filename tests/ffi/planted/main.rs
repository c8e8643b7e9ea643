//! Prints Rust's side of a small `ffi`, as the C side is printed.
#![allow(warnings)]

mod ffi {
    pub mod poll;
    pub mod sys {
        pub mod wait;
    }
}
mod libc;
mod made {
    use crate::ffi;

    include!("facts.rs");
}

fn main() {
    for (name, values) in made::facts() {
        let values: String = values.iter().map(|value| format!(" {value}")).collect();
        println!("{name} ={values}");
    }
}
