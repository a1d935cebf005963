//! Everything that a node ever says about itself, and the only file that may say it.
//!
//! Two lists are all there is: [`Event`], which is said once as it happens and never of a request;
//! and the counts below, in which no request shows (`series`). What a list holds is [`Public`], a
//! trait that nobody else can implement: numbers of the group and words of our own, no strings, no
//! names, no exact times. Somebody who wants to say more has to write it down here.

mod series;

use std::io::{self, Write as _};
use std::time::Duration;

use notrace_runtime_worker::{End, KillReason};

use crate::limits::COUNTS_WINDOW;
use crate::node::Node;
use series::{BUCKETS, Bucket, Count, rounded};

/// What may be said aloud. The `impl`s below are the entire list.
trait Public: Copy {
    fn say(self) -> u64;
}

/// A number of the group's own: which view, how many members, how many mitigations.
impl Public for u32 {
    fn say(self) -> u64 {
        u64::from(self)
    }
}

/// What happens to a node itself. Never what a request did, or when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// It serves.
    Serving { members: u32 },
    /// The group has another view.
    ViewInstalled { view: u32, members: u32 },
    /// The host has other mitigations than when it was last looked at.
    PostureChanged { on: u32, of: u32 },
    /// Something required is gone; no task is run until it is back.
    PostureLost,
    /// It takes nothing new.
    Draining,
    /// Its store ended by itself.
    StoreFailed,
}

impl Event {
    fn line(self) -> String {
        let with = |name: &str, numbers: &[(&str, u32)]| {
            let numbers = numbers.iter().map(|(key, number)| format!(" {key}={}", number.say()));
            format!("event={name}{}", numbers.collect::<String>())
        };
        match self {
            Self::Serving { members } => with("serving", &[("members", members)]),
            Self::ViewInstalled { view, members } => {
                with("view_installed", &[("view", view), ("members", members)])
            }
            Self::PostureChanged { on, of } => with("posture_changed", &[("on", on), ("of", of)]),
            Self::PostureLost => with("posture_lost", &[]),
            Self::Draining => with("draining", &[]),
            Self::StoreFailed => with("store_failed", &[]),
        }
    }
}

/// Words of a closed list, as the label of a count.
macro_rules! labels {
    ($(#[$about:meta])* $visible:vis $name:ident {
        $($(#[$what:meta])* $word:ident = $text:literal,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $visible enum $name { $($(#[$what])* $word,)+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$word,)+];

            const fn text(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }
        }
    };
}

labels! {
    /// What a request was for.
    pub Route {
        /// A task is run.
        Run = "run",
        /// Tasks are uploaded, listed and removed.
        Tasks = "tasks",
        /// Objects and pools are read.
        Read = "read",
        /// Objects and pools are changed.
        Write = "write",
        /// Changes are watched.
        Watch = "watch",
        /// Receipts, the ledger, the promise and what the node says of itself.
        Look = "look",
        /// The group is joined, left and looked at.
        Cluster = "cluster",
    }
}

labels! {
    /// How a request ended.
    pub Answered {
        /// As it was asked.
        Done = "done",
        /// The request was at fault, or its task.
        Refused = "refused",
        /// Another time, or another node.
        Later = "later",
        /// The node was at fault.
        Failed = "failed",
    }
}

labels! {
    /// How a run ended.
    RunEnd {
        Answered = "answered",
        Failed = "failed",
        Trapped = "trapped",
        Exhausted = "exhausted",
        Time = "killed_time",
        Processor = "killed_processor",
        Seccomp = "killed_seccomp",
        Fault = "killed_fault",
        Panic = "killed_panic",
        Outside = "killed_outside",
        Garbled = "killed_garbled",
        NotAuthentic = "killed_not_authentic",
        SealBroken = "killed_seal_broken",
        CodeRefused = "killed_code_refused",
    }
}

impl RunEnd {
    const fn of(end: &End) -> Self {
        match end {
            End::Answered => Self::Answered,
            End::Failed { .. } => Self::Failed,
            End::Trapped(_) => Self::Trapped,
            End::Exhausted(_) => Self::Exhausted,
            End::Killed(why) => match why {
                KillReason::Time => Self::Time,
                KillReason::Processor => Self::Processor,
                KillReason::Seccomp => Self::Seccomp,
                KillReason::Fault => Self::Fault,
                KillReason::Panic => Self::Panic,
                KillReason::Outside => Self::Outside,
                KillReason::Garbled => Self::Garbled,
                KillReason::NotAuthentic => Self::NotAuthentic,
                KillReason::SealBroken => Self::SealBroken,
                KillReason::CodeRefused => Self::CodeRefused,
            },
        }
    }
}

const ROUTES: usize = Route::ALL.len();

/// All counts. How many there are is known before the first request.
pub(crate) struct Telemetry {
    says: Says,
    requests: [[Count; Answered::ALL.len()]; ROUTES],
    took: [[Count; BUCKETS]; ROUTES],
    runs: [Count; RunEnd::ALL.len()],
}

/// Whether events are said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// Nothing is.
    Nothing,
    /// Each event is, as a line on standard error.
    Events,
}

impl Telemetry {
    pub(crate) fn new(says: Says) -> Self {
        let counts = || std::array::from_fn(|_| Count::default());
        Self {
            says,
            requests: std::array::from_fn(|_| std::array::from_fn(|_| Count::default())),
            took: std::array::from_fn(|_| std::array::from_fn(|_| Count::default())),
            runs: counts(),
        }
    }

    /// Says what happened, where that is wanted.
    pub(crate) fn event(&self, event: Event) {
        if self.says == Says::Events {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr().lock(), "{}", event.line());
        }
    }

    pub(crate) fn request(&self, route: Route, answered: Answered, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let requests = self.requests.get(route as usize).and_then(|it| it.get(answered as usize));
        let took = self.took.get(route as usize).and_then(|it| it.get(Bucket::of(millis).index()));
        requests.into_iter().chain(took).for_each(Count::up);
    }

    pub(crate) fn run_ended(&self, end: &End) {
        if let Some(count) = self.runs.get(RunEnd::of(end) as usize) {
            count.up();
        }
    }

    /// A window is over.
    pub(crate) fn close_window(&self) {
        let all = self.requests.iter().flatten().chain(self.took.iter().flatten());
        all.chain(&self.runs).for_each(Count::close);
    }

    /// All counts as Prometheus reads them. Which lines there are never changes.
    ///
    /// Source: Prometheus, "Exposition formats", text format 0.0.4.
    pub(crate) fn text(&self, now: Now) -> String {
        let mut text = String::from("# TYPE notrace_requests_total counter\n");
        for (route, counts) in Route::ALL.iter().zip(&self.requests) {
            for (answered, count) in Answered::ALL.iter().zip(counts) {
                let (route, answered) = (route.text(), answered.text());
                let labels = format!("route=\"{route}\",answered=\"{answered}\"");
                line(&mut text, "notrace_requests_total", &labels, count.shown());
            }
        }
        text.push_str("# TYPE notrace_request_milliseconds histogram\n");
        for (route, counts) in Route::ALL.iter().zip(&self.took) {
            let mut below = 0;
            for (bucket, count) in Bucket::all().zip(counts) {
                below += count.shown();
                let end = bucket.end().map_or("+Inf".to_owned(), |end| end.to_string());
                let labels = format!("route=\"{}\",le=\"{end}\"", route.text());
                line(&mut text, "notrace_request_milliseconds_bucket", &labels, below);
            }
            let labels = format!("route=\"{}\"", route.text());
            line(&mut text, "notrace_request_milliseconds_count", &labels, below);
        }
        text.push_str("# TYPE notrace_runs_total counter\n");
        for (end, count) in RunEnd::ALL.iter().zip(&self.runs) {
            let labels = format!("end=\"{}\"", end.text());
            line(&mut text, "notrace_runs_total", &labels, count.shown());
        }
        for (name, number) in [
            ("notrace_view", u64::from(now.view)),
            ("notrace_members", u64::from(now.members)),
            ("notrace_mitigations_on", u64::from(now.mitigations_on)),
            ("notrace_serving", u64::from(now.serving)),
            ("notrace_workers_ready_rounded", rounded(u64::from(now.workers_ready))),
        ] {
            text.push_str(&format!("# TYPE {name} gauge\n{name} {number}\n"));
        }
        text
    }
}

fn line(text: &mut String, name: &str, labels: &str, number: u64) {
    text.push_str(&format!("{name}{{{labels}}} {number}\n"));
}

/// How a node is at the moment.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) view: u32,
    pub(crate) members: u32,
    pub(crate) mitigations_on: u32,
    pub(crate) serving: bool,
    pub(crate) workers_ready: u32,
}

impl Node {
    /// Counts a request that was answered.
    pub fn count(&self, route: Route, answered: Answered, took: Duration) {
        self.telemetry().request(route, answered, took);
    }

    /// The counts, as Prometheus reads them: each a multiple of ten, and no younger than the last
    /// full minute.
    pub fn counts(&self) -> String {
        let now = Now {
            view: self.view(),
            members: self.members(),
            mitigations_on: self.mitigations_on(),
            serving: self.is_serving(),
            workers_ready: self.workers_ready(),
        };
        self.telemetry().text(now)
    }

    /// Closes windows, and says what becomes of the group and the host, until the node ends.
    pub(crate) fn keep_saying(&self) {
        let node = self.downgrade();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(COUNTS_WINDOW).await;
                let Some(node) = Self::upgrade(&node) else { return };
                node.telemetry().close_window();
            }
        });
        let (member, node) = (self.group().member.clone(), self.downgrade());
        tokio::spawn(async move {
            let mut last = None;
            loop {
                let other = move |status: &notrace_store_replica::Status| {
                    status.view.as_ref().is_some_and(|view| Some(view.id) != last)
                };
                let Some(status) = member.when(other).await else { return };
                let (Some(view), Some(node)) = (&status.view, Self::upgrade(&node)) else { return };
                last = Some(view.id);
                let (view, members) = (view.id.number(), view.members.len() as u32);
                node.telemetry().event(Event::ViewInstalled { view, members });
            }
        });
    }
}

#[cfg(test)]
mod what_a_node_says {
    use super::*;

    const NOW: Now =
        Now { view: 3, members: 3, mitigations_on: 30, serving: true, workers_ready: 13 };

    fn names(text: &str) -> Vec<&str> {
        text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect()
    }

    #[test]
    fn has_the_same_lines_whatever_was_asked() {
        let telemetry = Telemetry::new(Says::Nothing);
        let before = telemetry.text(NOW);
        for millis in 0..2_000 {
            let (route, answered) = (millis as usize % ROUTES, millis as usize % 4);
            let (route, answered) = (Route::ALL[route], Answered::ALL[answered]);
            telemetry.request(route, answered, Duration::from_millis(millis * 97));
            telemetry.run_ended(&End::Killed(KillReason::Fault));
        }
        telemetry.close_window();
        let after = telemetry.text(NOW);
        assert_ne!(before, after);
        assert_eq!(names(&before), names(&after));
    }

    #[test]
    fn is_the_same_before_and_after_one_more_request() {
        let telemetry = Telemetry::new(Says::Nothing);
        for _ in 0..40 {
            telemetry.request(Route::Run, Answered::Done, Duration::from_millis(3));
        }
        telemetry.close_window();
        let before = telemetry.text(NOW);
        telemetry.request(Route::Run, Answered::Failed, Duration::from_secs(9));
        assert_eq!(before, telemetry.text(NOW));
        telemetry.close_window();
        assert_eq!(before, telemetry.text(NOW));
    }

    #[test]
    fn counts_as_prometheus_reads_it() {
        let telemetry = Telemetry::new(Says::Nothing);
        for _ in 0..25 {
            telemetry.request(Route::Read, Answered::Done, Duration::from_millis(3));
        }
        telemetry.close_window();
        let text = telemetry.text(NOW);
        for line in [
            "notrace_requests_total{route=\"read\",answered=\"done\"} 20",
            "notrace_request_milliseconds_bucket{route=\"read\",le=\"2\"} 0",
            "notrace_request_milliseconds_bucket{route=\"read\",le=\"4\"} 20",
            "notrace_request_milliseconds_bucket{route=\"read\",le=\"+Inf\"} 20",
            "notrace_request_milliseconds_count{route=\"read\"} 20",
            "notrace_workers_ready_rounded 16",
            "notrace_members 3",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}");
        }
    }

    #[test]
    fn is_one_line_for_each_event() {
        let view = Event::ViewInstalled { view: 7, members: 3 };
        assert_eq!(view.line(), "event=view_installed view=7 members=3");
        assert_eq!(Event::PostureLost.line(), "event=posture_lost");
    }
}
