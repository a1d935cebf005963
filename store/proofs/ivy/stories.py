"""Runs that must be possible, so that no proof holds for want of runs.

A story is a sequence of a model's own actions, begun in its initial state. What an action requires is
then to be shown by Ivy, step by step; and that the story's assumptions contradict neither the axioms
nor each other shows in that Ivy cannot prove `false` at its end. Usage: stories.py IVY_CHECK FOLDER
[FILE...]"""
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TWO_SLOTS = "assume s ~= zero; assume t ~= zero; assume le(s,t) & s ~= t;"

STORIES = {
    # The leader of b dies after the echo of its proposal; the leader of c keeps it.
    "ragged.ivy": {
        "a take-over keeps a trim with messages": """
    var n : node; var m : node; var d : node; var s : seq; var t : seq; var b : ballot; var c : ballot;
    var q : quorum; var v : value;
    assume n ~= m & n ~= d & m ~= d; assume N = n | N = m | N = d;
    %s
    assume b ~= none & c ~= none & b ~= c & ble(b,c);
    assume member(N,q) <-> N = n | N = m;
    assume vin(v,N) <-> N = n | N = m; assume wit(v) = m;
    call receive(n,t); call receive(m,s); call receive(d,t);
    call push_row(n,n); call push_row(n,m); call push_row(n,d); call deliver(n,s);
    call wedge(n); call wedge(m);
    call join(n,b); call join(m,b); call propose_fresh(b,q,v); call do_echo(m,b,v);
    call join(n,c); call join(m,c); call propose_keep(c,q,m,b,v);
    call do_echo(n,c,v); call do_echo(m,c,v); call decide(c,v,q);
    call finish(n,c,v); call finish(m,c,v);
    assume dlv(m) ~= zero & rcvd(n) ~= dlv(n);
""" % TWO_SLOTS,
    },
    # One member is left out and another is taken in, learns and delivers in the second view.
    "views.ivy": {
        "a view change, with a stranger taken in": """
    var n : node; var m : node; var d : node; var j : node; var s : seq; var t : seq;
    var b : ballot; var q : quorum; var v : view; var x : value;
    assume n ~= m & n ~= d & m ~= d & j ~= n & j ~= m & j ~= d;
    %s
    assume first ~= v;
    assume mem(N,first) <-> N = n | N = m | N = d;
    assume mem(N,v) <-> N = n | N = m | N = j;
    assume follows(first,x) & starts(x,v) & wit(x) = m & maj(q,first);
    assume member(N,q) <-> N = n | N = m;
    call receive(n,first,t); call receive(m,first,s); call receive(d,first,s);
    call copy_row(n,n,first,s); call copy_row(n,m,first,s); call copy_row(n,d,first,s);
    call deliver(n,first,s);
    call wedge(n,first); call wedge(m,first);
    call promise(n,b,first); call promise(m,b,first);
    call propose_fresh(n,b,first,v,q,x);
    call do_echo(n,b,first,x); call do_echo(m,b,first,x); call decide(b,first,x,q);
    call finish(n,b,first,v,x); call finish(m,b,first,v,x);
    call enter(j,b,v,x); call transfer(j,m,v);
    call receive(n,v,t); call receive(m,v,t); call receive(j,v,t);
    call copy_row(j,n,v,t); call copy_row(j,m,v,t); call copy_row(j,j,v,t);
    call deliver(j,v,s);
    call depart(d,b,first,v,x);
    assume dlv(j,first) ~= zero & dlv(d,first) = dlv(n,first);
""" % TWO_SLOTS,
    },
    # Attempt 0 decides, all crash, and the restart finds what was decided.
    "acceptor.ivy": {
        "a restart keeps what attempt 0 decided": """
    var n : node; var m : node; var b : ballot; var c : ballot; var q : quorum; var v : value;
    assume n ~= m; assume first(b) & ~first(c) & ble(b,c);
    assume member(N,q) <-> N = n | N = m;
    call promise_live(n,b); call promise_live(m,b); call propose_fresh(b,q,v);
    call do_echo(n,b,v); call do_echo(m,b,v); call recorded(n); call recorded(m);
    call decide(b,v,q);
    call crash(n); call crash(m);
    call promise_restart(n,c); call promise_restart(m,c); call recorded(n); call recorded(m);
    call propose_keep(c,q,m,b,v); call do_echo(m,c,v); call do_echo(n,c,v);
    call recorded(m); call recorded(n); call decide(c,v,q);
""",
        "an echo that was being written is lost": """
    var n : node; var m : node; var b : ballot; var c : ballot; var q : quorum; var v : value;
    var w : value;
    assume n ~= m; assume v ~= w; assume first(b) & ~first(c) & ble(b,c);
    assume member(N,q) <-> N = n | N = m;
    call promise_live(n,b); call promise_live(m,b); call propose_fresh(b,q,v);
    call do_echo(n,b,v); call crash(n);
    call promise_restart(n,c); call promise_restart(m,c); call recorded(n); call recorded(m);
    call propose_fresh(c,q,w); call do_echo(n,c,w); call do_echo(m,c,w);
    call recorded(m); call recorded(n); call decide(c,w,q);
""",
    },
    "epoch.ivy": {
        "what a majority synced survives a crash of all": """
    var n : node; var m : node; var d : node; var s : seq; var t : seq; var q : quorum; var v : value;
    assume n ~= m & n ~= d & m ~= d; assume N = n | N = m | N = d; %s
    assume member(N,q) <-> N = n | N = m;
    assume askd(v) = q & by_log(v) & wit(v) = n & through(v) = s;
    assume vin(v,N) <-> N = n | N = m;
    call receive(n,t); call receive(m,s); call receive(d,t);
    call copy_row(n,n,t,zero); call copy_row(n,m,s,zero); call copy_row(n,d,t,zero);
    call copy_row(m,n,t,zero); call copy_row(m,m,s,zero); call copy_row(m,d,t,zero);
    call deliver(n,s); call deliver(m,s); call sync(n,s); call sync(m,s);
    call copy_row(n,n,t,s); call copy_row(n,m,s,s); call call_majority_durable(n,s,q);
    call crash(n); call crash(m); call propose_logs(v); call decide(v);
""" % TWO_SLOTS,
        "who lives goes on from its memory": """
    var n : node; var m : node; var s : seq; var t : seq; var v : value;
    assume n ~= m; assume N = n | N = m; %s
    assume ~by_log(v) & wit(v) = m & through(v) = s; assume vin(v,N) <-> N = n | N = m;
    call receive(n,t); call receive(m,s);
    call copy_row(n,n,t,zero); call copy_row(n,m,s,zero); call deliver(n,s);
    call wedge(n); call wedge(m); call propose_memory(v); call decide(v); call crash(m);
    call finish(n,v);
""" % TWO_SLOTS,
    },
    # a and b are ready throughout, c is taken in and never gets ready, a and b crash: the keepers
    # are asked, twice over.
    "durable.ivy": {
        "a restart from logs, then one by keepers": """
    var a : node; var b : node; var c : node; var p : pos; var u : pos;
    var e : epoch; var f : epoch; var g : epoch; var q : quorum; var r : quorum;
    assume a ~= b & a ~= c & b ~= c;
    assume first ~= e & first ~= f & first ~= g & e ~= f & e ~= g & f ~= g;
    assume follows(first,e) & follows(e,f) & follows(f,g); assume ele(e,f) & ele(f,g);
    assume mem(N,first) <-> N = a | N = b | N = c; assume mem(N,e) <-> N = a;
    assume mem(N,f) <-> N = a | N = c; assume mem(N,g) <-> N = a;
    assume slot(p,first) & slot(u,e);
    assume maj(q,first) & (member(N,q) <-> N = a | N = b);
    assume member(N,r) <-> N = a; assume maj(Q,e) <-> Q = r;
    assume kmaj(Q,e) <-> maj(Q,first); assume kmaj(Q,f) <-> maj(Q,e); assume kmaj(Q,g) <-> kmaj(Q,f);
    assume base(e) = p & base(f) = u & base(g) = p;
    assume kbase(e) = base(first) & kbase(f) = base(e) & kbase(g) = kbase(f);
    call receive(a,first,p); call receive(b,first,p); call receive(c,first,p);
    call deliver(a,first,p); call deliver(b,first,p); call sync(a,first,p); call sync(b,first,p);
    call call_majority_durable(first,p,q);
    call crash(a); call crash(b); call end_with_logs(first,e,q,a);
    call begin_with_log(a,e); call receive(a,e,u);
    call end_with_memory(e,f,a,a,false);
    call begin_with_memory(a,e,f); call begin_empty(c,f);
    call crash(c); call give_up(c,f); call crash(a);
    call end_refuted(f,g,r,a,c);
    call begin_with_log(a,g);
""",
    },
}

# What happens without a guard: title: what is left out, and a run that ends badly.
BROKEN = {
    "acceptor.ivy": {
        "a promise told while an echo is written decides twice": (
            "    require vecho(n,B,V) -> echo(n,B,V);             # no echo is being written\n",
            """
    var n : node; var m : node; var b : ballot; var c : ballot; var q : quorum;
    var v : value; var w : value;
    assume n ~= m; assume v ~= w; assume first(b) & first(c) & ble(b,c) & b ~= c;
    assume member(N,q) <-> N = n | N = m;
    call promise_live(n,b); call promise_live(m,b); call propose_fresh(b,q,v);
    call do_echo(n,b,v); call do_echo(m,b,v);
    call promise_live(n,c); call promise_live(m,c); call propose_fresh(c,q,w);
    call recorded(n); call recorded(m); call decide(b,v,q);
    call do_echo(n,c,w); call do_echo(m,c,w); call recorded(n); call recorded(m);
    call decide(c,w,q);
    assume chosen(v) & chosen(w);
"""),
    },
    "durable.ivy": {
        "keepers that were never ready forget": (
            "    require le(kbase(d), base(e));            # or else the keepers were never ready"
            " themselves\n",
            """
    var a : node; var x : node; var y : node; var z : node; var p : pos;
    var e : epoch; var f : epoch; var g : epoch; var q : quorum; var r : quorum;
    assume a ~= x & a ~= y & a ~= z & x ~= y & x ~= z & y ~= z;
    assume first ~= e & first ~= f & first ~= g & e ~= f & e ~= g & f ~= g;
    assume follows(first,e) & follows(e,f) & follows(f,g); assume ele(e,f) & ele(f,g);
    assume mem(N,first) <-> N = a; assume mem(N,e) <-> N = a | N = x | N = y;
    assume mem(N,f) <-> N = a | N = z; assume ~mem(N,g); assume slot(p,first);
    assume maj(q,first) & maj(r,e); assume member(N,q) <-> N = a;
    assume member(N,r) <-> N = x | N = y;
    assume kmaj(Q,e) <-> maj(Q,first); assume kmaj(Q,f) <-> maj(Q,e); assume kmaj(Q,g) <-> kmaj(Q,f);
    assume base(e) = p & base(f) = p & base(g) = zero;
    assume kbase(e) = base(first) & kbase(f) = base(e) & kbase(g) = kbase(f);
    call receive(a,first,p); call deliver(a,first,p); call sync(a,first,p);
    call call_majority_durable(first,p,q);
    call end_with_memory(first,e,a,a,false);
    call begin_with_memory(a,first,e); call get_ready(a,e);
    call end_with_memory(e,f,a,a,false);
    call begin_empty(z,f); call crash(z); call give_up(z,f); call crash(a);
    call end_refuted(f,g,r,x,z);
    assume ack_maj(p,first,q) & ~le(p, base(g));
"""),
        "an earlier update called durable too early is lost": (
            "    require mem(M,e) -> ready(M,e);           # a majority of e is not yet one of e's"
            " keepers\n",
            """
    var a : node; var b : node; var c : node; var x : node; var y : node; var z : node; var p : pos;
    var e : epoch; var f : epoch; var q : quorum; var r : quorum;
    assume a ~= b & a ~= c & b ~= c & x ~= y & x ~= z & y ~= z;
    assume x ~= a & x ~= b & x ~= c & y ~= a & y ~= b & y ~= c & z ~= a & z ~= b & z ~= c;
    assume first ~= e & first ~= f & e ~= f; assume follows(first,e) & follows(e,f);
    assume mem(N,first) <-> N = a | N = b | N = x | N = y | N = z;
    assume mem(N,e) <-> N = a | N = b | N = c; assume ~mem(N,f); assume slot(p,first);
    assume maj(q,e) & maj(r,first); assume member(N,q) <-> N = a | N = b;
    assume member(N,r) <-> N = x | N = y | N = z;
    assume kmaj(Q,e) <-> maj(Q,first); assume kmaj(Q,f) <-> kmaj(Q,e);
    assume base(e) = p & base(f) = zero; assume kbase(e) = zero & kbase(f) = kbase(e);
    call receive(a,first,p); call receive(b,first,p); call receive(x,first,p);
    call receive(y,first,p); call receive(z,first,p); call deliver(a,first,p);
    call end_with_memory(first,e,a,a,false);
    call begin_with_memory(a,first,e); call begin_with_memory(b,first,e);
    call sync_past(a,e,p); call sync_past(b,e,p); call get_ready(a,e); call get_ready(b,e);
    call call_past_durable(e,p,q);
    call begin_empty(c,e); call crash(c); call give_up(c,e); call crash(a); call crash(b);
    call end_refuted(e,f,r,x,c);
    assume ack_past(p,e) & ~le(p, base(f));
"""),
    },
}


def told(check, folder, name, guard, story):
    text = (HERE / name).read_text()
    if guard not in text:
        return False, ["the guard is not in the file"], 0
    text = text.replace(guard, "")
    model = text[: text.index("# ---- what we promise")]
    start = model.index("after init {")
    end = model.index("}", start)
    begin = model[start + len("after init {") : end].strip()
    model = re.sub(r"^export .*\n", "", model, flags=re.M)
    model += "\naction story = {\n    " + begin + ";\n" + story.rstrip().rstrip(";")
    model += ";\n    assert false\n}\nexport story\n"
    path = pathlib.Path(folder) / ("story_" + name)
    path.write_text(model)
    run = subprocess.run([check, str(path)], capture_output=True, text=True)
    lines = (run.stdout + run.stderr).splitlines()
    failed = [line for line in lines if "FAIL" in line]
    passed = [line for line in lines if "PASS" in line]
    last = model[: model.rindex("assert false")].count("\n") + 1
    ends = len(failed) == 1 and f"line {last}:" in failed[0]
    return ends and passed, failed or lines[-3:], len(passed)


def main():
    check, folder, *names = sys.argv[1:]
    bad = 0
    for name in names or STORIES:
        stories = [(title, ("", story)) for title, story in STORIES.get(name, {}).items()]
        for title, (guard, story) in stories + list(BROKEN.get(name, {}).items()):
            begin = time.monotonic()
            good, failed, steps = told(check, folder, name, guard, story)
            verdict = f"told, {steps} requirements shown" if good else "NOT TOLD"
            took = time.monotonic() - begin
            kind = "without its guard, " if guard else ""
            print(f"{name}: {kind}{title}: {verdict} in {took:.0f} s", flush=True)
            if not good:
                bad += 1
                print("\n".join(failed))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
