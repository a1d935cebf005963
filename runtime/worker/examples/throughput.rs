//! Measures what a run costs: `throughput [CALLERS] [SECONDS] [IDLE]`.
use notrace_policy_promise::private::Private;
use notrace_runtime_worker::*;
use std::time::{Duration, Instant};

#[global_allocator]
static GLOBAL: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("worker") => worker_main(),
        _ => {}
    }
    let n = |i: usize, d: u64| std::env::args().nth(i).map_or(d, |t| t.parse().unwrap());
    let (callers, seconds, idle) = (n(1, 16), n(2, 5), n(3, 16));
    let rt =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async move {
        let t = Instant::now();
        let s = Supervisor::start(SupervisorConfig { exe: std::env::current_exe().unwrap(), idle_workers: idle as u16, running_max: 64 }).await.unwrap();
        println!("started in {:?}", t.elapsed());
        for (f, st) in s.fences() { println!("  {f:?} {st:?}"); }
        tokio::time::sleep(Duration::from_millis(500)).await;
        println!("idle {}", s.idle_workers());
        rss();
        let c0 = cpu();
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("idle cpu over 2 s: {:?}", cpu() - c0);
        let code = Code::test();
        let go = |code: Code| Job { code, args: vec![], input: Private::new(b"hello".to_vec()), objects: vec![], time_unix_micros: 0, seed: [0; 32],
            limits: Limits { fuel: 1_000_000, memory_bytes: 64 << 20, output_bytes: 1 << 20, wall: Duration::from_secs(5) } };
        let mut lat = vec![]; let mut scr = vec![];
        for _ in 0..300 {
            let t = Instant::now();
            let (o, r) = s.run(go(code.clone()), Duration::from_secs(5)).await.unwrap();
            lat.push(t.elapsed());
            let x = scrub(r).await;
            scr.push(t.elapsed());
            if lat.len() == 1 { println!("{:?} {:?}", o.end, x); }
            assert!(o.answer.reveal(|a| a == b"hello"));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        lat.sort(); scr.sort();
        println!("unloaded: run p50 {:?} p99 {:?}; with scrub p50 {:?} p99 {:?}", lat[150], lat[297], scr[150], scr[297]);
        let t = Instant::now(); let c0 = cpu();
        let mut tasks = vec![];
        for _ in 0..callers {
            let s = s.clone(); let code = code.clone();
            tasks.push(tokio::spawn(async move {
                let mut v = vec![];
                while t.elapsed() < Duration::from_secs(seconds) {
                    let t = Instant::now();
                    let (o, r) = s.run(go(code.clone()), Duration::from_secs(5)).await.unwrap();
                    scrub(r).await;
                    assert!(o.answer.reveal(|a| a == b"hello"), "{:?}", o.end);
                    v.push(t.elapsed());
                }
                v
            }));
        }
        let mut all = vec![];
        for k in tasks { all.extend(k.await.unwrap()); }
        let e = t.elapsed();
        all.sort();
        let c = cpu() - c0;
        println!("{callers} callers: {:.0} runs/s, p50 {:?} p99 {:?}; cpu/run {:.0} us (of all cores {:.0}%)", all.len() as f64 / e.as_secs_f64(), all[all.len()/2], all[all.len()*99/100],
            c.as_micros() as f64 / all.len() as f64, c.as_secs_f64() / e.as_secs_f64() * 100.0);
        let t = Instant::now();
        s.drain().await;
        println!("drained in {:?}", t.elapsed());
    });
}
/// Processor time of the whole machine, idle excluded.
fn cpu() -> Duration {
    let t = std::fs::read_to_string("/proc/stat").unwrap();
    let v: Vec<u64> =
        t.lines().next().unwrap().split_whitespace().skip(1).map(|x| x.parse().unwrap()).collect();
    Duration::from_millis(10 * (v[0] + v[1] + v[2] + v[5] + v[6]))
}
fn rss() {
    let me = std::process::id();
    for p in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(st) = std::fs::read_to_string(p.path().join("status")) else { continue };
        let g = |k: &str| {
            st.lines()
                .find(|l| l.starts_with(k))
                .map(|l| l[k.len()..].trim().to_owned())
                .unwrap_or_default()
        };
        if g("PPid:") == me.to_string() {
            let sm = std::fs::read_to_string(p.path().join("smaps_rollup")).unwrap_or_default();
            let q = |k: &str| {
                sm.lines()
                    .find(|l| l.starts_with(k))
                    .map(|l| l[k.len()..].trim().to_owned())
                    .unwrap_or_default()
            };
            println!(
                "  pid {} rss {} anon {} pss {} private dirty {} pagetables {}",
                g("Pid:"),
                g("VmRSS:"),
                g("RssAnon:"),
                q("Pss:"),
                q("Private_Dirty:"),
                g("VmPTE:")
            );
        }
    }
}
