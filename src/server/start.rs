//! The main function of a server's program.

/// Makes `function`, of type `fn(Args, Title, Inherited) -> c_int`, the main function of a program that is `#![no_std]`
/// and `#![no_main]`, as [`main!`](crate::main!) does. The function also gets the [`Title`](crate::program::Title) of
/// the process, and the descriptors that were passed to the process.
#[macro_export]
macro_rules! server_main {
    ($function:path) => {
        $crate::c_main!(|argc, argv| {
            // SAFETY: C's runtime gives main its arguments, and nothing has looked at them yet.
            let (args, title) = unsafe { $crate::program::Title::claim(argc, argv) };
            // SAFETY: nothing of the program has run yet.
            let inherited = unsafe { $crate::server::Inherited::claim() };
            let function: fn($crate::program::Args, $crate::program::Title, $crate::server::Inherited) -> _ = $function;
            $crate::program::end(function(args, title, inherited))
        });
    };
}
