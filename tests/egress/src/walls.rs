//! The four walls, and which fences each is made of.

use notrace_runtime_jail::{Fence, Plan};

/// What stands between a task and the outside. Each is to suffice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wall {
    /// No import: nothing in the sandbox reaches out, and a module that asks for more is refused.
    Import,
    /// No call: the kernel takes only the calls that a run needs.
    Call,
    /// No right: another user, no capability, no right on files, ports or processes, no descriptor.
    Right,
    /// No route: nothing of the outside is in here. No interface, file, process, queue or name.
    Route,
}

impl Wall {
    pub(crate) const ALL: [Self; 4] = [Self::Import, Self::Call, Self::Right, Self::Route];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Wall::Import => "import",
            Wall::Call => "call",
            Wall::Right => "right",
            Wall::Route => "route",
        }
    }

    /// What it is made of, and [`GROUND`] below.
    fn fences(self) -> &'static [Fence] {
        match self {
            // It is the sandbox's, in the same process.
            Wall::Import => &[],
            Wall::Call => &[Fence::NoNewPrivileges, Fence::Seccomp],
            Wall::Right => &[
                Fence::ClosedDescriptors,
                Fence::IpcNamespace,
                Fence::UserNamespace,
                Fence::UnprivilegedUser,
                Fence::OwnUser,
                Fence::NoNewPrivileges,
                Fence::ResourceLimits,
                Fence::NoCoreDump,
                Fence::NotDumpable,
                Fence::Capabilities,
                Fence::Landlock { abi: 0 },
            ],
            Wall::Route => &[
                Fence::ClosedDescriptors,
                Fence::UserNamespace,
                Fence::NetNamespace,
                Fence::PidNamespace,
                Fence::IpcNamespace,
                Fence::UtsNamespace,
            ],
        }
    }

    fn stands_on_ground(self) -> bool {
        matches!(self, Wall::Right | Wall::Route)
    }
}

/// What right and route both stand on: no descriptor is open or can be had, and no file is there.
/// Both are a right that is missing as much as a way that is. What each would let out without the
/// ground is shown as well.
const GROUND: &[Fence] = &[Fence::NoDescriptors, Fence::MountNamespace, Fence::EmptyRoot];

/// Some of the walls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Walls(u8);

const NO_GROUND: u8 = 1 << 4;

impl Walls {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const WHOLE: Self = Self(0b1111);

    /// Every choice there is.
    pub(crate) fn choices() -> impl Iterator<Item = Self> {
        (0..=Self::WHOLE.0).map(Self)
    }

    /// What there is for a compiler, which is no guest and has no imports: none of the other three,
    /// each of them, and all.
    pub(crate) fn of_compilers() -> [Self; 5] {
        let [call, right, route] = [Wall::Call, Wall::Right, Wall::Route].map(Self::only);
        [Self::NONE, call, right, route, Self(call.0 | right.0 | route.0)]
    }

    /// Walls without the ground they stand on, by themselves and both together.
    pub(crate) fn without_ground() -> [Self; 3] {
        let [right, route] = [Wall::Right, Wall::Route].map(|wall| Self::only(wall).0 | NO_GROUND);
        [Self(right), Self(route), Self(right | route)]
    }

    pub(crate) fn only(wall: Wall) -> Self {
        Self(1 << wall as u8)
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits & (Self::WHOLE.0 | NO_GROUND))
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn has(self, wall: Wall) -> bool {
        self.0 & 1 << wall as u8 != 0
    }

    pub(crate) fn has_ground(self) -> bool {
        self.0 & NO_GROUND == 0
    }

    fn standing(self) -> impl Iterator<Item = Wall> {
        Wall::ALL.into_iter().filter(move |wall| self.has(*wall))
    }

    /// The fences to put up: those of these walls; all there are when no wall is missing.
    pub(crate) fn plan(self) -> Plan {
        if self == Self::WHOLE {
            return Plan::WHOLE;
        }
        let mut fences: Vec<Fence> =
            self.standing().flat_map(|wall| wall.fences().iter().copied()).collect();
        if self.has_ground() && self.standing().any(Wall::stands_on_ground) {
            fences.extend(GROUND);
        }
        Plan::only(&fences)
    }

    pub(crate) fn names(self) -> String {
        let names: Vec<_> = self.standing().map(Wall::name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join("+") }
    }
}
