//! What no wall can stop, because it takes no call, no name and no right: what a task does by being
//! run at all. Each is bounded by something else, or by nothing yet, which is said here.

/// A channel, and what bounds it.
pub(crate) const BEYOND: &[(&str, &str)] = &[
    ("what comes through the hatch", "counted above; all of it goes to who asked, and no further"),
    ("size of the answer, on the wire", "the sizes of the pools that it reads"),
    ("time until the answer, on the wire", "the times of the pools that it reads"),
    ("which objects are read, in which order", "all granted ones are opened before it runs"),
    ("names and versions of objects written", "none: there is no import that writes one"),
    ("arguments of services it calls", "none: there is no import that calls one"),
    ("processor time, as load that others feel", "its wall time and fuel"),
    ("caches, memory bus, branch predictors", "speculation controls, where the posture shows them"),
    ("code pages shared with other processes", "no clock but native code's to see a cache hit by"),
    ("memory it touches, as pressure others feel", "its memory limit"),
    ("page faults and run time, in /proc", "users of the host alone; mount /proc with hidepid"),
    ("its own name, in /proc", "15 bytes, for users of the host, and only past import and call"),
];
