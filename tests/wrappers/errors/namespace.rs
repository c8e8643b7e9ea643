use mpserv::errno::Errno;
use mpserv::namespace::{own_network, own_users};

use super::{Case, NotProduced, become_nobody, become_root_of_own_users, errno, no_memory_left, own_root, set_of_namespace};

pub(super) const CASES: &[Case] = &[
    ("own_users", Errno::PERM, || {
        // A process with its own root directory cannot have its own user namespace.
        own_root();
        errno(own_users())
    }),
    ("own_users", Errno::NOSPC, || {
        become_root_of_own_users();
        set_of_namespace("/proc/sys/user/max_user_namespaces", "0");
        errno(own_users())
    }),
    ("own_users", Errno::NOMEM, || {
        no_memory_left();
        errno(own_users())
    }),
    ("own_users", Errno::INVAL, || {
        std::thread::scope(|scope| {
            let (end, wait) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || wait.recv());
            let got = errno(own_users());
            drop(end);
            got
        })
    }),
    ("own_network", Errno::PERM, || {
        become_nobody();
        errno(own_network())
    }),
    ("own_network", Errno::NOSPC, || {
        become_root_of_own_users();
        set_of_namespace("/proc/sys/user/max_net_namespaces", "0");
        errno(own_network())
    }),
];

pub(super) const NOT_PRODUCED: &[NotProduced] =
    &[("own_network", "EINVAL", "only a kernel that was built without network namespaces has it")];
