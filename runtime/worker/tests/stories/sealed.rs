//! The stories of runs whose client sealed what it asks.

pub(crate) mod a_sealed_run {
    use crate::guests::{ECHO, FAIL, SHOW};
    use crate::stage::{answer, compile, job, object, run, supervisor};
    use anyhow::{Context, Result, ensure};
    use notrace_policy_promise::digest::{Digest, Domain};
    use notrace_policy_promise::limits::INPUT_BYTES_MAX;
    use notrace_policy_promise::receipt::Ended;
    use notrace_policy_promise::release::{Failures, Sizes};
    use notrace_runtime_worker::{Code, End, Given, Job, KillReason, Outcome};
    use notrace_sdk_seal::limits::answer_room;
    use notrace_sdk_seal::{
        Binding, Content, Draw, RequestKey, RunKeys, SealedRequest, Told, public_key, seal_request,
    };

    const SECRET: [u8; 32] = [5; 32];

    /// What the client keeps, and what the node has after its part: keys and ciphertext.
    fn sealed(args: &[&str], input: &[u8]) -> Result<(RunKeys, RunKeys, Vec<u8>)> {
        let promise = Digest::of(Domain::Promise, b"");
        let public = public_key(&SECRET);
        let key = RequestKey { public, from_unix_s: 0, until_unix_s: 1, promise };
        let task = Digest::of(Domain::Module, b"");
        let binding = Binding { task, promise, objects: &[] };
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let draw = Draw { ephemeral: [8; 32].into(), nonce: [9; 32] };
        let content = Content { args: &args, input, sizes: Sizes::Padme };
        let (bytes, clients) = seal_request(&key, &binding, &content, &draw)?;
        let request = SealedRequest::parse(bytes)?;
        let nodes = request.keys(&SECRET, &binding)?;
        Ok((clients, nodes, request.into_content()))
    }

    fn sealed_job(code: &Code, keys: RunKeys, content: Vec<u8>) -> Job {
        shaped_job(code, keys, content, (Sizes::Exact, Failures::Told))
    }

    fn shaped_job(
        code: &Code,
        keys: RunKeys,
        content: Vec<u8>,
        (sizes, failures): (Sizes, Failures),
    ) -> Job {
        Job { given: Given::Sealed { keys, content, sizes, failures }, ..job(code, b"") }
    }

    pub(crate) async fn answers_to_its_client_alone() -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let echo = compile(&supervisor, ECHO).await?;
        for bytes in [0, 5, 65_536, 300_000, INPUT_BYTES_MAX / 8] {
            let input: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
            let (client, keys, content) = sealed(&[], &input)?;
            let outcome = run(&supervisor, sealed_job(&echo, keys, content)).await?;
            ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
            let answer = answer(&outcome);
            let same = answer.windows(32).any(|window| input.starts_with(window));
            ensure!(bytes == 0 || !same, "the answer is in the clear");
            let opened = client.open_answer(answer)?.answer();
            ensure!(opened.as_ref() == Some(&input), "the answer differs at {bytes} bytes");
        }
        Ok(())
    }

    pub(crate) async fn sees_its_arguments_and_objects() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let (client, keys, content) = sealed(&["left", "right"], b"")?;
        let mut job = sealed_job(&compile(&supervisor, SHOW).await?, keys, content);
        job.objects = vec![object("photos/zero", &[1; 100])?, object("photos/one", b"pixels ")?];
        let outcome = run(&supervisor, job).await?;
        ensure!(outcome.end == End::Answered, "{:?}", outcome.end);
        let answer = client.open_answer(answer(&outcome))?.answer().context("a failure")?;
        let answer = String::from_utf8(answer)?;
        ensure!(answer.starts_with("pixels ") && answer.ends_with("left\0right\0"), "{answer:?}");
        Ok(())
    }

    pub(crate) async fn tells_its_client_alone_how_it_failed() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let (client, keys, content) = sealed(&[], b"")?;
        let job = sealed_job(&compile(&supervisor, FAIL).await?, keys, content);
        let outcome = run(&supervisor, job).await?;
        ensure!(outcome.end == End::Failed { exit: None }, "{:?}", outcome.end);
        ensure!(outcome.message.is_none(), "it is said in the clear");
        let failure = client.open_failure(outcome.failure.context("no sealed failure")?)?;
        ensure!(failure.exit == Some(1) && *failure.message == "oh", "it says something else");
        Ok(())
    }

    pub(crate) async fn fails_as_it_answers_where_it_shall() -> Result<()> {
        let supervisor = supervisor(2, 2).await?;
        let mut seen = Vec::new();
        let output = Ended::OutputExhausted;
        let tries = [(ECHO, 9, Ended::Answered), (FAIL, 9, Ended::Failed), (ECHO, 5000, output)];
        for (guest, bytes, ended) in tries {
            let (client, keys, content) = sealed(&[], &vec![1; bytes])?;
            let code = compile(&supervisor, guest).await?;
            let mut job = shaped_job(&code, keys, content, (Sizes::Fixed4K, Failures::Alike));
            job.limits.output_bytes = answer_room(Sizes::Fixed4K) as u64;
            let outcome = run(&supervisor, job).await?;
            let told = match client.open_answer(answer(&outcome))? {
                Told::Answer(_) => Ended::Answered,
                Told::Failure(failure) => failure.ended,
            };
            ensure!(told == ended, "{told:?} instead of {ended:?}");
            let Outcome { end, fuel_used, memory_peak_bytes, failure, .. } = &outcome;
            let bytes = answer(&outcome).len();
            seen.push((*end, *fuel_used, *memory_peak_bytes, failure.is_some(), bytes));
        }
        ensure!(
            seen.iter().zip(seen.iter().skip(1)).all(|(one, next)| one == next),
            "they differ: {seen:?}"
        );
        Ok(())
    }

    pub(crate) async fn whose_content_was_altered_never_begins() -> Result<()> {
        let supervisor = supervisor(1, 1).await?;
        let echo = compile(&supervisor, ECHO).await?;
        let whole = sealed(&[], &[1; 100_000])?.2;
        let (first, last) = whole.split_at(65_552);
        let (cut, moved) = (first.to_vec(), [last, first].concat());
        let altered = whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 70_000));
        for content in [Vec::new(), cut, moved, altered.collect()] {
            let keys = sealed(&[], b"")?.1;
            let outcome = run(&supervisor, sealed_job(&echo, keys, content)).await?;
            ensure!(outcome.end == End::Killed(KillReason::SealBroken), "{:?}", outcome.end);
            ensure!(outcome.answer.reveal(Vec::is_empty), "there is an answer");
        }
        Ok(())
    }
}
