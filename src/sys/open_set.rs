//! A C integer with named values, open to values that have no name yet.

/// Declares the associated constants of a transparent newtype over `c_int`, each with its C name, and `name`.
macro_rules! open_set {
    ($type:ident from $module:ident { $($name:ident = $c_name:ident,)+ }) => {
        impl $type {
            $(
                #[doc = concat!("`", stringify!($c_name), "`")]
                pub const $name: $type = $type($module::$c_name);
            )+

            /// The C name of this value (`"EINTR"`, `"SIGCHLD"`), or `None` for a value that has none here.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                $(if self == $type::$name { return Some(stringify!($c_name)); })+
                None
            }
        }
    };
}
pub(crate) use open_set;
