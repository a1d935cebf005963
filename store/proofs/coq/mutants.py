"""Definitions with a slip in them, with which the theorems must not go through.
Usage: mutants.py COQC FOLDER"""
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Name: file, what is replaced, by what.
MUTANTS = {
    "a slot off by one": ("Order.v", "i * n + s.\nDefinition sent_in", "i * n + S s.\nDefinition sent_in"),
    "a row is complete at its largest": ("Order.v", "fold_left Nat.min rest x end.",
                                         "fold_left Nat.max rest x end."),
    "the prefix forgets the first sender": ("Order.v", "missing_from (length r) 0 r)",
                                            "missing_from (length r) 1 r)"),
    "a message is there once its number is": ("Order.v", "in i <? get r s.", "in i <=? get r s."),
    "the trim is the largest": ("Order.v", "if x <=? least then", "if least <=? x then"),
    "the trim's witness is off by one": ("Order.v", "else Some (S at_, least)",
                                         "else Some (at_, least)"),
    "the last of the least is the witness": ("Order.v", "if x <=? least then", "if x <? least then"),
    "what remains begins one late": ("Order.v", "(seq d (t - d)).", "(seq (S d) (t - d))."),
    "owes one too few to who stands behind": ("Nulls.v", "if me <? s then count else count - 1",
                                              "if me <? s then count - 1 else count - 1"),
    "owes one too many to who stands before": ("Nulls.v", "if me <? s then count else count - 1",
                                               "if me <? s then count else count"),
    "owes itself": ("Nulls.v", "if me =? s then 0 else", "if me =? s then count else"),
    "half is a majority": ("Majority.v", "(length l / 2).", "(length l / 2 - 1)."),
    "more than a majority": ("Majority.v", "(length l / 2).", "(S (length l / 2))."),
    "sorted the other way": ("Majority.v", "if y <=? x then x :: l", "if x <=? y then x :: l"),
    "the shortest log": ("Majority.v", "maximum (map disk reports).", "minimum (map disk reports)."),
}


def compiles(coqc, folder):
    for name in ["Order.v", "Nulls.v", "Majority.v"]:
        command = [coqc, "-Q", ".", "Notrace", name]
        if subprocess.run(command, cwd=folder, capture_output=True).returncode:
            return False
    return True


def main():
    coqc, folder = sys.argv[1], pathlib.Path(sys.argv[2]) / "coq_mutants"
    bad = 0
    for title, (name, old, new) in {"none": ("Order.v", "", ""), **MUTANTS}.items():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for source in HERE.glob("*.v"):
            shutil.copy(source, folder)
        text = (folder / name).read_text()
        there = old in text
        (folder / name).write_text(text.replace(old, new))
        good = there and compiles(coqc, folder) == (title == "none")
        if not good:
            bad += 1
            print(f"{title}: {'NOT REFUTED' if there else 'is not in the file'}", flush=True)
    print(f"coq: {len(MUTANTS) - bad} of {len(MUTANTS)} mutants refuted")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
