(* Nulls: how many messages a sender owes the others so that nobody waits for it. *)
From Coq Require Import List Arith Lia Bool.
From Notrace Require Import Order.
Import ListNotations.

(* ---- what is executed ------------------------------------------------------------------- *)

(* What is owed to the senders of r, of whom the first is number s: who stands before another fills
   up through its last message, who stands behind it fills up to it. *)
Fixpoint owed_from (me s : nat) (r : row) : nat :=
  match r with
  | [] => 0
  | count :: rest =>
      Nat.max (if me =? s then 0 else if me <? s then count else count - 1)
              (owed_from me (S s) rest)
  end.
Definition owed (me : nat) (r : row) : nat := owed_from me 0 r.

(* Everybody has sent what it owes, and nothing else. *)
Definition filled (r : row) : row :=
  map (fun me => Nat.max (get r me) (owed me r)) (seq 0 (length r)).

(* ---- what holds ---------------------------------------------------------------------------- *)

Lemma owed_from_spec : forall r me s c, owed_from me s r <= c <->
  (forall i, i < length r -> me <> s + i ->
    (me < s + i -> get r i <= c) /\ (s + i < me -> get r i - 1 <= c)).
Proof.
  unfold get. induction r as [|x r IH]; simpl; intros me s c.
  - split; [intros; lia|lia].
  - rewrite Nat.max_lub_iff, IH. split.
    + intros [A B] [|i] I N.
      * destruct (Nat.eqb_spec me s); [lia|]. destruct (Nat.ltb_spec me s); lia.
      * specialize (B i ltac:(lia) ltac:(lia)). lia.
    + intros A. split.
      * specialize (A 0 ltac:(lia)). destruct (Nat.eqb_spec me s); [lia|].
        destruct (Nat.ltb_spec me s); lia.
      * intros i I N. specialize (A (S i) ltac:(lia) ltac:(lia)). lia.
Qed.

Lemma owed_spec : forall r me c, owed me r <= c <->
  (forall s, s < length r -> me <> s ->
    (me < s -> get r s <= c) /\ (s < me -> get r s - 1 <= c)).
Proof. intros r me c. exact (owed_from_spec r me 0 c). Qed.

(* (nobody waits) Once everybody has sent what it has sent and what it owes, all slots up to the
   last real message are held: each message of the old row is inside the new row's prefix. *)
Theorem owed_suffices : forall r r' k, length r' = length r ->
  (forall s, s < length r -> get r s <= get r' s /\ owed s r <= get r' s) ->
  holds r k = true -> k < prefix r'.
Proof.
  intros r r' k L F H.
  destruct (Nat.le_gt_cases (prefix r') k) as [G|]; auto. exfalso.
  pose proof (prefix_missing r') as M.
  assert (N : 0 < length r).
  { destruct r; simpl in *; [|lia].
    unfold holds, get in H. destruct (sent_in _ _), n; discriminate. }
  pose proof (slot_of_sent_in (length r) k N) as P.
  pose proof (slot_of_sent_in (length r) (prefix r') N) as P'.
  unfold holds in *. rewrite L in M.
  destruct (sent_in (length r) k) as [s i], (sent_in (length r) (prefix r')) as [s' i'].
  rewrite Nat.ltb_lt in H. rewrite Nat.ltb_ge in M.
  destruct P as [Hs E], P' as [Hs' E']. unfold slot in *.
  destruct (F s' Hs') as [A B].
  pose proof (proj1 (owed_spec r s' _) B s Hs) as O.
  assert (i' <= i) by (destruct (Nat.le_gt_cases i' i); auto; nia).
  destruct (Nat.lt_trichotomy s s') as [T|[T|T]].
  - assert (i' < i) by (destruct (Nat.lt_ge_cases i' i); auto; nia). lia.
  - subst. lia.
  - lia.
Qed.

(* (no more than that) Less would leave a hole before somebody's message. *)
Theorem owed_is_least : forall r r' me, length r' = length r -> me < length r ->
  (forall s k, s <> me -> s < length r -> k < get r s -> slot (length r) s k < prefix r') ->
  owed me r <= get r' me.
Proof.
  intros r r' me L M H. apply owed_spec. intros s Hs N.
  destruct (get r s) as [|c] eqn:G; [lia|].
  assert (K : slot (length r) s c < prefix r') by (apply H; auto; lia).
  assert (Q : forall i, slot (length r') me i < prefix r' -> i < get r' me).
  { intros i I. apply prefix_held in I. rewrite holds_slot in I by lia. now apply Nat.ltb_lt. }
  unfold slot in *. split; intros T.
  - assert (c < get r' me) by (apply Q; rewrite L; lia). lia.
  - destruct c as [|c]; [lia|]. assert (c < get r' me) by (apply Q; rewrite L; nia). lia.
Qed.

(* (nulls do not grow the order) Nobody owes more than somebody has sent. *)
Theorem owed_bounded : forall r me, owed me r <= maximum r.
Proof.
  intros r me. apply owed_spec. intros s _ _. pose proof (get_le_maximum r s). lia.
Qed.

Lemma filled_length : forall r, length (filled r) = length r.
Proof. intros. unfold filled. now rewrite map_length, seq_length. Qed.

Lemma get_filled : forall r s, s < length r -> get (filled r) s = Nat.max (get r s) (owed s r).
Proof.
  intros r s H. unfold get at 1, filled.
  rewrite (nth_indep _ 0 (Nat.max (get r 0) (owed 0 r))) by (rewrite map_length, seq_length; auto).
  rewrite (map_nth (fun me => Nat.max (get r me) (owed me r))), seq_nth by auto. reflexivity.
Qed.

Lemma maximum_least : forall l m, (forall s, s < length l -> get l s <= m) -> maximum l <= m.
Proof.
  unfold get, maximum. induction l as [|x l IH]; simpl; intros m H; [lia|].
  apply Nat.max_lub; [apply (H 0); lia|]. apply IH. intros s Hs. apply (H (S s)); lia.
Qed.

Theorem filled_max_same : forall r, maximum (filled r) = maximum r.
Proof.
  intros r. apply Nat.le_antisymm; apply maximum_least; intros s Hs.
  - rewrite filled_length in Hs. rewrite get_filled by auto.
    pose proof (get_le_maximum r s). pose proof (owed_bounded r s). lia.
  - pose proof (get_le_maximum (filled r) s). rewrite get_filled in H by auto. lia.
Qed.

(* (nulls do not provoke nulls) Once all have sent what they owed, nobody owes anything more. *)
Theorem filled_is_quiet : forall r me, me < length r -> owed me (filled r) <= get (filled r) me.
Proof.
  intros r me M. apply owed_spec. rewrite filled_length. intros s Hs N.
  rewrite !get_filled by auto.
  pose proof (proj1 (owed_spec r me _) (Nat.le_refl _)) as O.
  pose proof (O s Hs N) as Os. split; intros T.
  - apply Nat.max_lub; [lia|]. apply owed_spec. intros t Ht Nt.
    destruct (Nat.eq_dec t me) as [->|D]; [lia|]. specialize (O t Ht ltac:(auto)). lia.
  - assert (owed s r <= S (Nat.max (get r me) (owed me r))); [|lia].
    apply owed_spec. intros t Ht Nt.
    destruct (Nat.eq_dec t me) as [->|D]; [lia|]. specialize (O t Ht ltac:(auto)). lia.
Qed.

Theorem filled_twice : forall r, filled (filled r) = filled r.
Proof.
  intros r. apply (nth_ext _ _ 0 0); [now rewrite !filled_length|].
  rewrite filled_length. intros s Hs. rewrite filled_length in Hs.
  change (get (filled (filled r)) s = get (filled r) s).
  rewrite get_filled by (now rewrite filled_length).
  pose proof (filled_is_quiet r s Hs). lia.
Qed.

Print Assumptions owed_suffices.
Print Assumptions owed_is_least.
Print Assumptions filled_twice.
