//! The stories.

pub(crate) mod a_run {
    use crate::guests::{ECHO, FAIL, LOOP, SHOW};
    use crate::stage::{WAIT, answer, compile, job, object, run, supervisor};
    use anyhow::{Result, ensure};
    use notrace_policy_promise::private::Private;
    use notrace_runtime_worker::{End, Exit, Given, KillReason, Resource, scrub};
    use std::time::Duration;
    use tokio::time::Instant;

    pub(crate) async fn answers_what_its_guest_answered() -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        for bytes in [0, 5, 70_000, 3_000_000] {
            let input: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            let outcome = run(&supervisor, job(&echo, &input)).await?;
            ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
            ensure!(answer(&outcome) == input, "the answer differs at {bytes} bytes");
            ensure!(outcome.fuel_used > 0 && outcome.memory_peak_bytes >= 65_536, "not counted");
        }
        Ok(())
    }

    pub(crate) async fn sees_its_arguments_and_objects() -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let mut job = job(&compile(&supervisor, SHOW).await?, b"");
        let args = ["left", "right"].map(|arg| Private::new(arg.to_owned())).into();
        job.given = Given::Plain { args, input: Private::new(Vec::new()) };
        job.objects = vec![object("photos/zero", &[1; 100])?, object("photos/one", b"pixels ")?];
        let outcome = run(&supervisor, job).await?;
        ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
        let answer = String::from_utf8(answer(&outcome))?;
        ensure!(answer.starts_with("pixels "), "{answer:?}");
        ensure!(answer.ends_with("left\0right\0"), "{answer:?}");
        Ok(())
    }

    pub(crate) async fn tells_its_owner_what_it_said() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let outcome = run(&supervisor, job(&compile(&supervisor, FAIL).await?, b"")).await?;
        ensure!(outcome.end == End::Failed { exit: Some(1) }, "{:?}", outcome.end);
        let said = outcome.message.map(|message| message.reveal(String::clone));
        ensure!(said.as_deref() == Some("oh"), "{said:?}");
        ensure!(outcome.answer.reveal(Vec::is_empty), "a failure has no answer");
        Ok(())
    }

    pub(crate) async fn that_loops_is_interrupted_in_time() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let mut job = job(&compile(&supervisor, LOOP).await?, b"");
        job.limits.wall = Duration::from_millis(200);
        job.limits.fuel = u64::MAX / 2;
        let began = Instant::now();
        let outcome = run(&supervisor, job).await?;
        ensure!(outcome.end == End::Exhausted(Resource::Time), "{:?}", outcome.end);
        ensure!(began.elapsed() >= Duration::from_millis(200), "too early");
        Ok(())
    }

    pub(crate) async fn that_uses_up_its_fuel_says_so() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let mut job = job(&compile(&supervisor, LOOP).await?, b"");
        job.limits.fuel = 100_000;
        let outcome = run(&supervisor, job).await?;
        ensure!(outcome.end == End::Exhausted(Resource::Fuel), "{:?}", outcome.end);
        Ok(())
    }

    pub(crate) async fn of_code_from_elsewhere_is_refused() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let echo = compile(&supervisor, ECHO).await?;
        let outcome = run(&supervisor, job(&echo.altered()?, b"")).await?;
        ensure!(outcome.end == End::Killed(KillReason::CodeRefused), "{:?}", outcome.end);
        ensure!(answer(&run(&supervisor, job(&echo, b"on")).await?) == b"on", "the next run");
        Ok(())
    }

    pub(crate) async fn on_an_object_that_was_altered_never_begins() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let echo = compile(&supervisor, ECHO).await?;
        for alter in [0, 1] {
            let mut job = job(&echo, b"");
            let mut object = object("photos/one", b"pixels")?;
            match alter {
                0 => object.ad.push(1),
                _ => object.sealed = object.sealed.iter().map(|byte| byte ^ 1).collect(),
            }
            job.objects = vec![object];
            let outcome = run(&supervisor, job).await?;
            ensure!(outcome.end == End::Killed(KillReason::NotAuthentic), "{:?}", outcome.end);
        }
        Ok(())
    }

    pub(crate) async fn is_numbered_higher_than_the_one_before() -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        let mut last = 0;
        for _ in 0..5 {
            let slot = run(&supervisor, job(&echo, b"")).await?.slot;
            ensure!(slot > last, "{slot} after {last}");
            last = slot;
        }
        Ok(())
    }

    pub(crate) async fn leaves_proof_of_its_removal() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let echo = compile(&supervisor, ECHO).await?;
        let (outcome, residue) = supervisor.run(job(&echo, &[3; 5000]), WAIT).await?;
        let scrubbed = scrub(residue).await;
        ensure!(scrubbed.run() == outcome.slot, "another run's proof");
        ensure!(scrubbed.exit() == Exit::Status(0), "{:?}", scrubbed.exit());
        ensure!(scrubbed.wiped_bytes() >= 4096 + 5000, "{}", scrubbed.wiped_bytes());
        Ok(())
    }
}

pub(crate) mod a_worker {
    use crate::guests::{ECHO, LOOP};
    use crate::stage::{WAIT, answer, children, compile, job, kill, run, supervisor, until};
    use anyhow::{Context, Result, ensure};
    use notrace_runtime_worker::{End, KillReason};

    pub(crate) async fn killed_from_outside_costs_its_run_alone() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let mut endless = job(&compile(&supervisor, LOOP).await?, b"");
        endless.limits.fuel = u64::MAX / 2;
        let runner = supervisor.clone();
        let running = tokio::spawn(async move { run(&runner, endless).await });
        // The one that has used the processor is the one that runs.
        let busy = || children().into_iter().find(|seen| seen.inner_pid > 2 && seen.ticks > 5);
        until("a worker is busy", || busy().is_some()).await?;
        kill(&busy().context("it was there")?)?;
        let outcome = running.await??;
        ensure!(outcome.end == End::Killed(KillReason::Outside), "{:?}", outcome.end);
        let echo = compile(&supervisor, ECHO).await?;
        ensure!(answer(&run(&supervisor, job(&echo, b"on")).await?) == b"on", "the next run");
        Ok(())
    }

    pub(crate) async fn killed_while_it_waits_costs_nothing() -> Result<()> {
        let supervisor = supervisor(3, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        until("all wait", || supervisor.idle_workers() == 3).await?;
        for worker in children().iter().filter(|seen| seen.inner_pid > 2) {
            kill(worker)?;
        }
        let dead = || children().iter().filter(|seen| seen.inner_pid > 2).all(|seen| seen.zombie);
        until("all are dead", dead).await?;
        let (outcome, residue) = supervisor.run(job(&echo, b"on"), WAIT).await?;
        drop(residue);
        ensure!(answer(&outcome) == b"on", "{:?}", outcome.end);
        Ok(())
    }
}

pub(crate) mod a_supervisor {
    use crate::guests::{ECHO, LOOP};
    use crate::stage::{
        WAIT, answer, children, children_of, compile, exe, job, kill, run, supervisor, until,
    };
    use anyhow::{Context, Result, bail, ensure};
    use notrace_runtime_worker::{RunError, StartError, Supervisor, SupervisorConfig};
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    pub(crate) async fn with_all_workers_busy_says_so() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let mut endless = job(&compile(&supervisor, LOOP).await?, b"");
        endless.limits.fuel = u64::MAX / 2;
        let echo = compile(&supervisor, ECHO).await?;
        let runner = supervisor.clone();
        let running = tokio::spawn(async move { run(&runner, endless).await });
        until("it runs", || children().iter().any(|seen| seen.ticks > 5)).await?;
        let refused = supervisor.run(job(&echo, b""), Duration::from_millis(20)).await;
        ensure!(refused.err() == Some(RunError::Busy), "it was not busy");
        // The caller leaves; its place is free once its worker is dead and scrubbed.
        running.abort();
        ensure!(answer(&run(&supervisor, job(&echo, b"on")).await?) == b"on", "the next run");
        Ok(())
    }

    pub(crate) async fn recovers_when_its_template_is_killed() -> Result<()> {
        recovers_without(2).await
    }

    pub(crate) async fn recovers_when_its_namespace_is_killed() -> Result<()> {
        recovers_without(1).await
    }

    /// Kills the process with this number inside the namespace, and goes on running.
    async fn recovers_without(inner_pid: i32) -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        until("all wait", || supervisor.idle_workers() == 2).await?;
        let victim = children().into_iter().find(|seen| seen.inner_pid == inner_pid);
        let victim = victim.context("no such process")?;
        let workers: Vec<_> = children().into_iter().filter(|seen| seen.inner_pid > 2).collect();
        kill(&victim)?;
        if inner_pid == 1 {
            // The workers that wait die with it. A run handed to one that is dying would be lost.
            let alive = || children().into_iter().filter(|seen| !seen.zombie);
            let dead = || alive().all(|now| workers.iter().all(|then| then.pid != now.pid));
            until("its workers are dead", dead).await?;
        }
        for _ in 0..8 {
            let outcome = run(&supervisor, job(&echo, b"on")).await?;
            ensure!(answer(&outcome) == b"on", "{:?}", outcome.end);
        }
        let gone = || !children().iter().any(|seen| seen.pid == victim.pid && !seen.zombie);
        until("the dead one is gone", gone).await?;
        supervisor.drain().await;
        ensure!(children().is_empty(), "{:?}", children());
        Ok(())
    }

    pub(crate) async fn replaces_a_sweeper_that_is_gone() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let sweeper = || children().into_iter().find(|seen| seen.inner_pid == 0 && !seen.zombie);
        let first = sweeper().context("no sweeper")?;
        kill(&first)?;
        until("it is gone", || sweeper().is_none()).await?;
        let mut endless = job(&compile(&supervisor, LOOP).await?, b"");
        endless.limits.fuel = u64::MAX / 2;
        let left = tokio::time::timeout(Duration::from_millis(300), supervisor.run(endless, WAIT));
        ensure!(left.await.is_err(), "it ended by itself");
        until("there is another", || sweeper().is_some_and(|now| now.pid != first.pid)).await?;
        supervisor.drain().await;
        ensure!(children().is_empty(), "{:?}", children());
        Ok(())
    }

    pub(crate) async fn scrubs_what_a_caller_that_left_has_left() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let mut endless = job(&compile(&supervisor, LOOP).await?, b"");
        endless.limits.fuel = u64::MAX / 2;
        let left = tokio::time::timeout(Duration::from_millis(300), supervisor.run(endless, WAIT));
        ensure!(left.await.is_err(), "it ended by itself");
        let echo = compile(&supervisor, ECHO).await?;
        for _ in 0..4 {
            let (outcome, residue) = supervisor.run(job(&echo, b"on"), WAIT).await?;
            ensure!(answer(&outcome) == b"on", "{:?}", outcome.end);
            drop(residue);
        }
        supervisor.drain().await;
        ensure!(children().is_empty(), "{:?}", children());
        Ok(())
    }

    pub(crate) async fn that_drains_leaves_no_process() -> Result<()> {
        let supervisor = supervisor(4, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        let runner = supervisor.clone();
        let input = vec![1; 1_000_000];
        let last = job(&echo, &input);
        let running = tokio::spawn(async move { run(&runner, last).await });
        until("it runs or ran", || children().len() > 2).await?;
        supervisor.drain().await;
        if let Ok(outcome) = running.await? {
            ensure!(answer(&outcome) == input, "the last run was cut off: {:?}", outcome.end);
        }
        ensure!(children().is_empty(), "{:?}", children());
        let refused = supervisor.run(job(&echo, b""), WAIT).await.err();
        ensure!(refused == Some(RunError::Draining), "{refused:?}");
        Ok(())
    }

    pub(crate) async fn that_is_dropped_by_a_crash_leaves_no_process() -> Result<()> {
        let mut node = Command::new(exe()?).arg("crash").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(node.stdout.take().context("its output")?).read_line(&mut line)?;
        ensure!(line == "ready\n", "{line:?}");
        let orphans = children_of(node.id());
        ensure!(orphans.len() == 6, "{orphans:?}");
        node.kill()?;
        node.wait()?;
        let path = |pid: i32| std::path::PathBuf::from(format!("/proc/{pid}/exe"));
        // A dead process may stay in the table until its new parent waits for it; it has no exe.
        let gone = || orphans.iter().all(|seen| std::fs::read_link(path(seen.pid)).is_err());
        until("the orphans are dead", gone).await
    }

    pub(crate) async fn fills_a_pool_larger_than_the_way_to_its_template() -> Result<()> {
        let supervisor = supervisor(400, 1).await?;
        until("all wait", || supervisor.idle_workers() == 400).await?;
        supervisor.drain().await;
        ensure!(children().is_empty(), "{:?}", children());
        Ok(())
    }

    pub(crate) async fn refuses_a_binary_that_is_none_of_ours() -> Result<()> {
        let start = |exe: &str| {
            let config = SupervisorConfig { exe: exe.into(), ..SupervisorConfig::default() };
            async { Supervisor::start(config).await.err() }
        };
        ensure!(start("/bin/true").await == Some(StartError::EndedEarly), "true");
        ensure!(start("/nonexistent").await == Some(StartError::NotStarted), "nonexistent");
        // Answers every order with the order.
        ensure!(start("/bin/cat").await.is_some(), "cat");
        ensure!(children().is_empty(), "{:?}", children());
        Ok(())
    }

    pub(crate) async fn does_nothing_when_there_is_nothing_to_do() -> Result<()> {
        let supervisor = supervisor(8, 8).await?;
        until("all wait", || supervisor.idle_workers() == 8).await?;
        let ticks = || children().iter().map(|seen| seen.ticks).sum::<u64>();
        let before = ticks();
        let nothing = std::future::pending::<()>();
        let _ = tokio::time::timeout(Duration::from_secs(1), nothing).await;
        match ticks() - before {
            0 => Ok(()),
            used => bail!("ten idle processes used {used} ticks in a second"),
        }
    }
}

pub(crate) mod a_module {
    use crate::guests::ECHO;
    use crate::stage::{answer, compile_bytes, job, run, supervisor};
    use anyhow::{Context, Result, ensure};
    use notrace_policy_promise::digest::{Digest, Domain};
    use notrace_policy_promise::private::Private;
    use notrace_runtime_worker::{CodeCache, CompileError, Refused};

    pub(crate) async fn that_is_none_is_refused_with_its_reason() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let module = b"console.log('hello')".to_vec();
        let digest = Digest::of(Domain::Module, &module);
        let refused = supervisor.compile(digest, &Private::new(module)).await.err();
        let Some(CompileError::Refused(Refused::NotWasm { .. })) = refused else {
            anyhow::bail!("{refused:?}");
        };
        Ok(())
    }

    pub(crate) async fn compiles_once_and_runs_from_the_cache() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let supervisor = supervisor(1, 1).await?;
        let compiled = compile_bytes(&supervisor, wat::parse_str(ECHO)?).await?;
        CodeCache::open(dir.path(), &[1; 32], 1 << 30)?.put(&compiled.code)?;
        let cache = CodeCache::open(dir.path(), &[1; 32], 1 << 30)?;
        let code = cache.get(compiled.code.module()).context("it was put")?;
        ensure!(answer(&run(&supervisor, job(&code, b"warm")).await?) == b"warm", "the cached one");
        Ok(())
    }
}

pub(crate) mod the_fences {
    use crate::stage::{exe, missing, supervisor};
    use anyhow::{Context, Result, ensure};
    use notrace_runtime_worker::Fence;
    use rustix::process::geteuid;
    use std::process::Command;

    pub(crate) async fn all_stand_on_this_host() -> Result<()> {
        // On a host that lacks some, the next story is the one that counts.
        let supervisor = supervisor(1, 1).await?;
        let count = supervisor.fences().len();
        ensure!(count == Fence::ALL.len(), "{count} fences are reported");
        let userns = std::fs::read_to_string("/proc/sys/user/max_user_namespaces")?;
        if userns.trim() != "0" {
            let mut missing = missing(&supervisor);
            // These are the processor's, and a virtual one often lacks them.
            let of_processor = [
                Fence::StoreBypassOff,
                Fence::IndirectBranchOff,
                Fence::CacheFlush,
                Fence::CoreScheduled,
            ];
            missing.retain(|(fence, _)| !of_processor.contains(fence));
            // A user other than root has no other users to give away.
            missing.retain(|(fence, _)| *fence != Fence::OwnUser || geteuid().is_root());
            ensure!(missing.is_empty(), "{missing:?}");
        }
        Ok(())
    }

    pub(crate) async fn without_rights_are_reported_missing() -> Result<()> {
        // Inside a user namespace that allows no further ones, without its capabilities: what an
        // unprivileged user sees on a host that forbids user namespaces.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && \
             exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs \"$0\" report";
        let told = Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script])
            .arg(exe()?)
            .output()
            .context("unshare of util-linux")?;
        let text = String::from_utf8_lossy(&told.stdout);
        ensure!(told.status.success(), "{text}");
        for fence in ["UserNamespace", "NetNamespace", "MountNamespace", "EmptyRoot"] {
            ensure!(text.contains(fence), "{fence} is not reported missing: {text}");
        }
        for fence in ["Seccomp", "Landlock", "NoNewPrivileges", "NoCoreDump", "NotDumpable"] {
            ensure!(!text.contains(fence), "{fence} needs no namespace: {text}");
        }
        Ok(())
    }
}
