//! The start and the end of a program without std: the parts of [`main!`](crate::main!).

use core::ffi::c_int;
use core::fmt::Write as _;
use core::panic::PanicInfo;

use crate::program::args::Args;
use crate::sys::fd;
use crate::sys::process::{abort, exit};
use crate::sys::stdio::{self, Direct};

/// Makes `function`, of type `fn(Args) -> c_int`, the main function of a program that is `#![no_std]` and
/// `#![no_main]`. C's runtime calls the function, and passes its result to `exit()`. A panic prints its place to
/// standard error and ends the process by SIGABRT. The profiles in `Cargo.toml` need `panic = "abort"`, because without std
/// nothing unwinds.
///
/// Unlike std, this does not open descriptors 0, 1 and 2 if they are closed. Then the first files that the program opens
/// get these numbers. [`server_main!`](crate::server_main!) and [`Server::bind`](crate::server::Server::bind) open them.
#[macro_export]
macro_rules! main {
    ($function:path) => {
        $crate::c_main!(|argc, argv| {
            // SAFETY: C's runtime gives main its arguments, and nothing of this library changes them.
            let args = unsafe { $crate::program::Args::new(argc, argv) };
            $crate::program::run($function, args)
        });
    };
}

/// Defines the C function `main` with this body, and the panic handler. Only [`main!`](crate::main!) and
/// [`server_main!`](crate::server_main!) use this macro.
#[doc(hidden)]
#[macro_export]
macro_rules! c_main {
    (|$argc:ident, $argv:ident| $body:block) => {
        const _: () = {
            #[unsafe(export_name = "main")]
            extern "C" fn c_main(
                $argc: ::core::ffi::c_int,
                $argv: *const *const ::core::ffi::c_char,
            ) -> ::core::ffi::c_int $body

            $crate::panic_handler!();
        };
    };
}

/// Defines the panic handler of a program without std.
#[cfg(not(feature = "std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[panic_handler]
        fn panic(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::program::panicked(info)
        }

        // A build that is not optimised keeps core's reference to this function. No panic unwinds, so nothing calls the
        // function.
        #[unsafe(export_name = "rust_eh_personality")]
        extern "C" fn eh_personality() {}
    };
}

/// Defines nothing, because with the feature `std` the panic handler comes from std.
#[cfg(feature = "std")]
#[doc(hidden)]
#[macro_export]
macro_rules! panic_handler {
    () => {};
}

/// Calls the program's function. Only [`main!`](crate::main!) uses this function.
#[doc(hidden)]
pub fn run(function: fn(Args) -> c_int, args: Args) -> c_int {
    end(function(args))
}

/// Ends a main function: returns `status`, which C's runtime gives to `exit()`. With the feature `std`, threads may call
/// `exit()` as well, so [`exit`] is called here.
#[doc(hidden)]
pub fn end(status: c_int) -> c_int {
    if cfg!(feature = "std") {
        exit(status);
    }
    stdio::close_to_handlers();
    status
}

/// Reports a panic, and ends the process. Only [`main!`](crate::main!) uses this function.
#[doc(hidden)]
pub fn panicked(info: &PanicInfo<'_>) -> ! {
    let mut direct = Direct::new(fd::STDERR);
    // A sink that takes everything does not fail.
    let _ = writeln!(direct, "{info}");
    direct.flush();
    abort()
}
