//! The stories of tenants who are kept apart.

pub(crate) mod a_tenant {
    use crate::guests::{ECHO, LOOP};
    use crate::stage::{WAIT, answer, children, compile, job, run, until};
    use anyhow::{Context, Result, ensure};
    use notrace_policy_promise::cohosting::Cohosting;
    use notrace_policy_promise::digest::{Digest, Domain};
    use notrace_runtime_worker::{Code, Job, RunError, Supervisor, SupervisorConfig, Tenant};
    use rustix::thread::sched_getaffinity;
    use std::time::Duration;
    use tokio::task::JoinHandle;

    const BRIEFLY: Duration = Duration::from_millis(50);

    async fn supervisor(cohosting: Cohosting) -> Result<Supervisor> {
        let exe = std::env::current_exe()?;
        let (idle_workers, running_max) = (3, 64);
        let config = SupervisorConfig { exe, idle_workers, running_max, cohosting };
        Ok(Supervisor::start(config).await?)
    }

    fn of(number: u8, job: Job) -> Job {
        Job { tenant: Tenant(Digest::of(Domain::Session, &[number])), ..job }
    }

    /// A run that goes on until it is aborted, and the processors on which its worker may be.
    async fn occupy(
        supervisor: &Supervisor,
        code: &Code,
        number: u8,
    ) -> Result<(JoinHandle<()>, String)> {
        let mut endless = of(number, job(code, b""));
        endless.limits.fuel = u64::MAX / 2;
        let before: Vec<i32> = busy().into_iter().map(|(pid, _)| pid).collect();
        let runner = supervisor.clone();
        let running = tokio::spawn(async move { drop(run(&runner, endless).await) });
        let came = || busy().into_iter().any(|(pid, _)| !before.contains(&pid));
        until("it runs", came).await?;
        let (_, cpus) = busy()
            .into_iter()
            .find(|(pid, _)| !before.contains(pid))
            .context("the worker that came is gone")?;
        Ok((running, cpus))
    }

    /// Workers that have worked, and the processors on which they may be.
    fn busy() -> Vec<(i32, String)> {
        let busy = children().into_iter().filter(|seen| seen.inner_pid > 2 && seen.ticks > 5);
        busy.filter_map(|seen| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", seen.pid)).ok()?;
            let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            Some((seen.pid, cpus.trim().to_owned()))
        })
        .collect()
    }

    pub(crate) async fn has_its_cores_alone() -> Result<()> {
        let supervisor = supervisor(Cohosting::TenantExclusiveCore).await?;
        let (endless, echo) =
            (compile(&supervisor, LOOP).await?, compile(&supervisor, ECHO).await?);
        let cores = crate::stage::cores();
        let mut running = Vec::new();
        let mut held = Vec::new();
        for number in 0..cores {
            let (run, cpus) = occupy(&supervisor, &endless, number).await?;
            ensure!(!held.contains(&cpus), "{number} is on {cpus}, where {held:?} are held");
            held.push(cpus);
            running.push(run);
        }
        // No core is left for anybody else; whoever has one goes on.
        let refused = supervisor.run(of(99, job(&echo, b"")), BRIEFLY).await;
        ensure!(refused.err() == Some(RunError::Busy), "one tenant too many found a core");
        let answered = run(&supervisor, of(0, job(&echo, b"mine"))).await?;
        ensure!(answer(&answered) == b"mine", "a tenant has no use of its own core");
        running.remove(0).abort();
        let (outcome, residue) = supervisor.run(of(99, job(&echo, b"free")), WAIT).await?;
        ensure!(answer(&outcome) == b"free", "the core that became free");
        notrace_runtime_worker::scrub(residue).await;
        running.iter().for_each(JoinHandle::abort);
        Ok(())
    }

    pub(crate) async fn has_the_machine_alone() -> Result<()> {
        let supervisor = supervisor(Cohosting::TenantExclusiveNode).await?;
        let (endless, echo) =
            (compile(&supervisor, LOOP).await?, compile(&supervisor, ECHO).await?);
        let (running, _) = occupy(&supervisor, &endless, 1).await?;
        let refused = supervisor.run(of(2, job(&echo, b"")), BRIEFLY).await;
        ensure!(refused.err() == Some(RunError::Busy), "two tenants were on one machine");
        let answered = run(&supervisor, of(1, job(&echo, b"mine"))).await?;
        ensure!(answer(&answered) == b"mine", "a tenant has no use of its own machine");
        running.abort();
        let (outcome, residue) = supervisor.run(of(2, job(&echo, b"free")), WAIT).await?;
        ensure!(answer(&outcome) == b"free", "the machine that became free");
        notrace_runtime_worker::scrub(residue).await;
        Ok(())
    }

    pub(crate) async fn may_be_beside_others_where_all_share() -> Result<()> {
        let supervisor = supervisor(Cohosting::Shared).await?;
        let (endless, echo) =
            (compile(&supervisor, LOOP).await?, compile(&supervisor, ECHO).await?);
        let (running, _) = occupy(&supervisor, &endless, 1).await?;
        let many = sched_getaffinity(None)?.count();
        let all = busy().into_iter().all(|(_, cpus)| many == 1 || cpus.contains(['-', ',']));
        ensure!(all, "a worker is on one processor alone: {:?}", busy());
        let answered = run(&supervisor, of(2, job(&echo, b"too"))).await?;
        ensure!(answer(&answered) == b"too", "there was no room");
        running.abort();
        Ok(())
    }
}
