"""Weakened models, each of which Ivy has to refuse: a proof that also holds without a guard does not
use it. Usage: mutants.py IVY_CHECK FOLDER [FILE...]"""
import pathlib
import re
import subprocess
import sys
import time

# Seconds for one mutant. A model that is refuted only slowly is a reason to look at it.
PATIENCE = 90
HERE = pathlib.Path(__file__).resolve().parent
TWO_QUORUMS = "axiom exists N. member(N,Q1) & member(N,Q2)\n"
LEADER_KEEPS_ANY = "    require member(N,q) & ~ble(b,MB) & echo(N,MB,V) -> ble(MB,mb);\n"

# Name: what is replaced, by what.
MUTANTS = {
    "ragged.ivy": {
        "majorities need not intersect": (TWO_QUORUMS, ""),
        "trim without a wedge": ("vin(v,N) -> wedged(N) & le(", "vin(v,N) -> le("),
        "deliver on one row": ("require forall M. le(s, seen(n,M));", "require le(s, seen(n,n));"),
        "deliver on a majority's rows": (
            "    require forall M. le(s, seen(n,M));",
            "    require exists Q. forall M. member(M,Q) -> le(s, seen(n,M));",
        ),
        "leader ignores echoes": (
            "    require member(N,q) & ~ble(b,MB) -> ~echo(N,MB,V);\n", ""),
        "act before a majority echoed": ("    require forall N. member(N,q) -> echo(N,b,v);\n", ""),
        "echo after a higher promise": ("    require ~left(n,b); require proposal(b,v);", ""),
        "trim is not the least": (
            "    require vin(v,N) -> wedged(N) & le(rcvd(wit(v)), rcvd(N));",
            "    require vin(v,N) -> wedged(N);",
        ),
        "keep any echo": (LEADER_KEEPS_ANY, ""),
        "propose without a majority": ("    require member(N,q) -> promised(N,b);\n", ""),
        "receive after the wedge": ("    require ~wedged(n); require le(", "    require le("),
        "two proposals of one ballot": ("    require ~proposal(b,V);\n", ""),
        "the witness stays behind": ("    require vin(v,wit(v));\n", ""),
    },
    "views.ivy": {
        "majorities need not intersect": (
            "axiom maj(Q1,V) & maj(Q2,V) -> exists N. member(N,Q1) & member(N,Q2)\n", ""),
        "receive after the wedge": ("require ~wedged(n,v); require le(", "require le("),
        "who is not ready claims to hold": ("    require ready(m,v); ", "    "),
        "deliver in a view that is over": (
            "require ~over(n,v);\n    require le(dlv", "\n    require le(dlv"),
        "deliver on one row": ("    require forall M. mem(M,v) -> le(s, seen(n,M,v));",
                               "    require le(s, seen(n,n,v));"),
        "deliver backwards": ("    require le(dlv(n,v), s);\n", ""),
        "leader ignores echoes": (
            "    require member(N,q) & ~ble(b,MB) & follows(v,X) -> ~echo(N,MB,X);\n", ""),
        "keep any echo": (
            "    require member(N,q) & ~ble(b,MB) & follows(v,X) & echo(N,MB,X) -> ble(MB,mb);\n", ""),
        "propose without a majority": ("    require member(N,q) -> promised(N,b,v);\n", ""),
        "two proposals of one ballot": ("    require follows(v,X) -> ~proposal(b,X);\n", ""),
        "echo after a higher promise": ("require ~left(n,b,v); require proposal(b,x);",
                                        "require proposal(b,x);"),
        "act before a majority echoed": ("    require forall N. member(N,q) -> echo(N,b,x);\n", ""),
        "who is not ready stays": ("mem(N,w) -> ready(N,v) & wedged(N,v);", "mem(N,w) -> wedged(N,v);"),
        "trim without a wedge": ("mem(N,w) -> ready(N,v) & wedged(N,v);", "mem(N,w) -> ready(N,v);"),
        "trim is not the least": (
            "    require mem(N,v) & mem(N,w) -> le(rcvd(wit(x),v), rcvd(N,v));\n", ""),
        "decide for another view": ("    require follows(v,x); require maj(q,v);\n    require forall",
                                    "    require maj(q,v);\n    require forall"),
        "install what was not decided": (
            "require starts(x,w); require decided(b,x);\n    require mem(n,w);",
            "require starts(x,w);\n    require mem(n,w);"),
        "depart with less than the trim": ("require le(rcvd(wit(x),v), rcvd(n,v));\n    call",
                                           "\n    call"),
        "a stranger that is none": ("    require ~known(n);\n", ""),
        "state from one who is not ready": ("require ~ready(n,w); require ready(m,w);",
                                            "require ~ready(n,w); require inst(m,w);"),
        "a later view is not later": (
            "axiom follows(V,X) & starts(X,W) -> vle(V,W) & V ~= W\n", ""),
    },
    "acceptor.ivy": {
        "majorities need not intersect": (TWO_QUORUMS, ""),
        "promise while an echo is written": ("    require vecho(n,B,V) -> echo(n,B,V);", "   "),
        "later lives take part in attempt 0": ("require first(b) -> live(n);", ""),
        "restart's promise told at once": (
            "    vprom(n,b) := true;", "    vprom(n,b) := true; promised(n,b) := true;"),
        "echoes counted before they are on disk": (
            "    require forall N. member(N,q) -> echo(N,b,v);",
            "    require forall N. member(N,q) -> vecho(N,b,v);"),
        "a record without the promise": ("    left(n,B) := left(n,B) | vleft(n,B);\n", ""),
        "echo after a higher promise": ("require ~vleft(n,b); require first(b) -> live(n);",
                                        "require first(b) -> live(n);"),
        "attempt 0 is not the lowest": ("axiom ble(B1,B2) & first(B2) -> first(B1)\n", ""),
        "leader ignores echoes": (
            "    require member(N,q) & ~ble(b,MB) -> ~echo(N,MB,V);\n", ""),
        "keep any echo": (LEADER_KEEPS_ANY, ""),
        "propose without a majority": ("    require member(N,q) -> promised(N,b);\n", ""),
        "act before a majority echoed": ("    require forall N. member(N,q) -> echo(N,b,v);\n", ""),
        "two proposals of one ballot": ("    require ~proposal(b,V);\n", ""),
    },
    "epoch.ivy": {
        "majorities need not intersect": (TWO_QUORUMS, ""),
        "receive after the wedge": ("require ~wedged(n); require le(", "require le("),
        "deliver on one row": ("require forall M. le(s, seen(n,M));", "require le(s, seen(n,n));"),
        "sync what is not delivered": ("require le(s, dlv(n));\n    disk", "\n    disk"),
        "a log that shrinks": ("require le(disk(n), s); ", ""),
        "sync after a crash": ("require live(n); require le(disk(n), s);", "require le(disk(n), s);"),
        "durable on one": ("    require forall M. member(M,q) -> le(s, psn(n,M));",
                           "    require le(s, psn(n,n));"),
        "durable on all but one": ("    require forall M. le(s, psn(n,M));",
                                   "    require forall M. M ~= n -> le(s, psn(n,M));"),
        "memory without a wedge": ("vin(v,N) -> wedged(N) & le(", "vin(v,N) -> le("),
        "trim is not the least": ("vin(v,N) -> wedged(N) & le(through(v), rcvd(N));",
                                  "vin(v,N) -> wedged(N);"),
        "logs of those who live": ("-> ~live(N) & le(disk(N), through(v));",
                                   "-> le(disk(N), through(v));"),
        "not the longest log": ("-> ~live(N) & le(disk(N), through(v));", "-> ~live(N);"),
        "members without the log": ("vin(v,N) -> ~live(N) & le(through(v), disk(N));",
                                    "vin(v,N) -> ~live(N);"),
        "two decisions": (" require chosen(V) -> V = v;", ""),
    },
    "durable.ivy": {
        "majorities need not intersect": (
            "axiom maj(Q1,E) & maj(Q2,E) -> exists N. member(N,Q1) & member(N,Q2)\n", ""),
        "keepers' majorities need not": (
            "axiom kmaj(Q1,E) & kmaj(Q2,E) -> exists N. member(N,Q1) & member(N,Q2)\n", ""),
        "deliver before all are ready": ("mem(M,e) -> ready(M,e) & le(p,", "mem(M,e) -> le(p,"),
        "ready before the log is": (" require log(n) = base(e);\n", "\n"),
        "who is ready tells otherwise": ("require mem(n,e); require ~ready(n,e);\n",
                                         "require mem(n,e);\n"),
        "a member in its next life": ("    lost(n,E) := lost(n,E) | begun(E);\n", ""),
        "durable on one": ("    require forall N. member(N,q) -> le(p, psn(N,e));\n",
                           "    require exists N. member(N,q) & le(p, psn(N,e));\n"),
        "an earlier update durable too early": ("    require mem(M,e) -> ready(M,e); ", "    "),
        "sync what is not delivered": ("require le(p, dlv(n,e));\n    log", "\n    log"),
        "cut a tail that is not dead": (" & (slot(P,e) -> ~le(P, log(n))));", ");"),
        "who goes on from memory lacks some": (" require le(base(e), rcvd(n,d)) | base(e) = base(d);", ""),
        "who goes on from its log lacks some": (
            "require ~been(n,e);\n    require le(base(e), log(n));", "require ~been(n,e);"),
        "trim of one who was not ready": ("mem(m,d) & ready(m,d); require", "mem(m,d); require"),
        "an unready epoch leaves something": ("    require base(e) = base(d);\n", ""),
        "not the longest log": ("& le(base(d), log(N)) & le(log(N), base(e));",
                                "& le(base(d), log(N));"),
        "logs of fewer than a majority": ("    require maj(q,d); require member(m,q) & base",
                                          "    require member(m,q) & base"),
        "logs that were never ready count": ("-> lost(N,d) & le(base(d), log(N)) & le",
                                             "-> lost(N,d) & le"),
        "keepers without a refutation": ("        assume never(r,d);  ", "        "),
        "members asked instead of keepers": ("    require kmaj(q,d); require member(m,q);",
                                             "    require maj(q,d); require member(m,q);"),
        "a learner's dead tail is taken in": (" & ~dead(log(N));\n    call keep(d, e, r, refuted)",
                                              ";\n    call keep(d, e, r, refuted)"),
        "a learner is given what was left out": ("    require ~dead(p);  ", "    "),
        "a log beyond the longest goes on": ("lost(N,d) & log(N) = base(e);",
                                             "lost(N,d) & le(base(e), log(N));"),
        "a log that reaches far enough refutes": ("(lost(n,e) & ~le(base(e), log(n)))", "lost(n,e)"),
        "keepers that were never ready": ("    require le(kbase(d), base(e)); ", "    "),
        "a refuted epoch's members keep": ("        assume (kmaj(Q,e) <-> kmaj(Q,d)) &",
                                           "        assume (kmaj(Q,e) <-> maj(Q,d)) &"),
        "keepers of long ago": ("        assume (kmaj(Q,e) <-> maj(Q,d)) &",
                                "        assume (kmaj(Q,e) <-> kmaj(Q,d)) &"),
        "two successors": ("    require begun(d) & ~closed(d); require follows(d,e);\n"
                           "    require forall E. begun(E) -> ele(E,d);\n    require maj",
                           "    require begun(d); require follows(d,e);\n    require maj"),
    },
}


def refuted(check, folder, name, old, new):
    text = (HERE / name).read_text()
    if old not in text:
        return None, "is not in the file"
    path = pathlib.Path(folder) / ("mutant_" + name)
    path.write_text(text.replace(old, new))
    try:
        run = subprocess.run([check, str(path)], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        # What had failed until then has failed.
        told = (late.stdout or b"").decode()
        failed = re.findall(r"line \d+: (\w+) \.\.\. FAIL", told)
        return bool(failed), "no answer in time"
    told = run.stdout + run.stderr
    failed = sorted(set(re.findall(r"line \d+: (\w+) \.\.\. FAIL", told)))
    if failed:
        return True, "fails " + ", ".join(failed)
    return False, told.strip().splitlines()[-1]


def main():
    check, folder, *names = sys.argv[1:]
    bad = total = 0
    for name in names or MUTANTS:
        begin = time.monotonic()
        survivors = []
        for title, (old, new) in MUTANTS.get(name, {}).items():
            killed, why = refuted(check, folder, name, old, new)
            total += 1
            if not killed:
                survivors.append(f"  {name}: {title}: NOT REFUTED, {why}")
        bad += len(survivors)
        count = len(MUTANTS.get(name, {}))
        took = time.monotonic() - begin
        print(f"{name}: {count - len(survivors)} of {count} mutants refuted in {took:.0f} s", flush=True)
        print("".join(line + "\n" for line in survivors), end="", flush=True)
    sys.exit(1 if bad or not total else 0)


if __name__ == "__main__":
    main()
