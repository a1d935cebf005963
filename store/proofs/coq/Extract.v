(* The functions as OCaml programs, for comparison with the Rust ones.

   Numbers become machine integers of 63 bits, and the operations below become the machine's. That
   is believed, not proved; the comparison keeps below 2^62. *)
From Coq Require Import Arith.
From Notrace Require Import Order Nulls Majority.
Require Extraction.
Require Import ExtrOcamlBasic ExtrOcamlNatInt.

Extract Constant Nat.add => "(+)".
Extract Constant Nat.mul => "( * )".
Extract Constant Nat.sub => "fun n m -> Stdlib.max 0 (n - m)".
Extract Constant Nat.div => "fun n m -> if m = 0 then 0 else n / m".
Extract Constant Nat.modulo => "fun n m -> if m = 0 then n else n mod m".
Extract Inlined Constant Nat.leb => "(<=)".
Extract Inlined Constant Nat.ltb => "(<)".
Extract Inlined Constant Nat.max => "Stdlib.max".
Extract Inlined Constant Nat.min => "Stdlib.min".

Extraction Language OCaml.
Extraction "proved.ml"
  slot sent_in prefix prefix_by_walking owed filled stable trim reached_by_majority.
