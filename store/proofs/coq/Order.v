(* The total order of an epoch, what of it is stable, and the trim at its end.

   Members that send are numbered 0 .. n-1, where n is the length of a row of counters: message
   `i` of sender `s` stands in slot `i * n + s`. A row says how many messages, counted from the
   first, came from each sender. The Rust twin of each definition is in store/protocol/src/order.rs
   and has the same name. *)
From Coq Require Import List Arith Lia Bool.
Import ListNotations.

Definition row := list nat.
Definition get (r : row) (s : nat) : nat := nth s r 0.

(* ---- what is executed ------------------------------------------------------------------- *)

Definition slot (n s i : nat) : nat := i * n + s.
Definition sent_in (n k : nat) : nat * nat := (k mod n, k / n).

(* Whether somebody with these counters has the message of slot k. *)
Definition holds (r : row) (k : nat) : bool :=
  let (s, i) := sent_in (length r) k in i <? get r s.

(* The plain meaning of a prefix: walk until a slot is missing. *)
Fixpoint walk (r : row) (k fuel : nat) : nat :=
  match fuel with
  | 0 => k
  | S rest => if holds r k then walk r (S k) rest else k
  end.
Definition maximum (l : list nat) : nat := fold_right Nat.max 0 l.
Definition prefix_by_walking (r : row) : nat := walk r 0 (S (length r * maximum r)).

(* The closed form that is shipped: the least of everybody's first missing slot. *)
Definition minimum (l : list nat) : nat :=
  match l with [] => 0 | x :: rest => fold_left Nat.min rest x end.
Fixpoint missing_from (n s : nat) (r : row) : list nat :=
  match r with [] => [] | count :: rest => slot n s count :: missing_from n (S s) rest end.
Definition prefix (r : row) : nat := minimum (missing_from (length r) 0 r).

Definition stable (prefixes : list nat) : nat := minimum prefixes.

(* Which survivor, in the order given, held least, and how much that was. *)
Fixpoint trim (held : list nat) : option (nat * nat) :=
  match held with
  | [] => None
  | x :: rest =>
      match trim rest with
      | None => Some (0, x)
      | Some (at_, least) => if x <=? least then Some (0, x) else Some (S at_, least)
      end
  end.

(* What has been delivered of the first d slots, and what is delivered at an epoch's end, if `real`
   tells which slots hold a message and not a null. *)
Definition delivered (real : nat -> bool) (d : nat) : list nat := filter real (seq 0 d).
Definition remaining (real : nat -> bool) (d t : nat) : list nat := filter real (seq d (t - d)).

(* ---- slots ------------------------------------------------------------------------------- *)

Lemma slot_parts : forall n s i, s < n -> sent_in n (slot n s i) = (s, i).
Proof.
  intros n s i H. unfold sent_in, slot. f_equal.
  - rewrite Nat.add_comm, Nat.mod_add by lia. apply Nat.mod_small; auto.
  - rewrite Nat.add_comm, Nat.div_add by lia. rewrite Nat.div_small; lia.
Qed.

Theorem slot_of_sent_in : forall n k, 0 < n ->
  let (s, i) := sent_in n k in s < n /\ slot n s i = k.
Proof.
  intros n k H. unfold sent_in, slot. split.
  - apply Nat.mod_upper_bound; lia.
  - rewrite (Nat.div_mod k n) at 3 by lia. lia.
Qed.

(* No two messages stand in one slot. *)
Theorem slot_injective : forall n s i s' i', s < n -> s' < n ->
  slot n s i = slot n s' i' -> s = s' /\ i = i'.
Proof.
  intros n s i s' i' H H' E.
  pose proof (slot_parts n s i H) as A. rewrite E, (slot_parts n s' i' H') in A.
  inversion A; auto.
Qed.

Lemma holds_slot : forall r s i, s < length r -> holds r (slot (length r) s i) = (i <? get r s).
Proof. intros r s i H. unfold holds. rewrite slot_parts; auto. Qed.

(* ---- the prefix ---------------------------------------------------------------------------- *)

Lemma fold_min_spec : forall l x,
  fold_left Nat.min l x <= x /\ (forall y, In y l -> fold_left Nat.min l x <= y)
  /\ (fold_left Nat.min l x = x \/ In (fold_left Nat.min l x) l).
Proof.
  induction l as [|a l IH]; simpl; intros x.
  - repeat split; auto; contradiction.
  - destruct (IH (Nat.min x a)) as (A & B & C). split; [lia|]. split.
    + intros y [<-|H]; [lia|auto].
    + destruct C as [C|C]; [|auto]. rewrite C. destruct (Nat.min_dec x a) as [E|E]; rewrite E; auto.
Qed.

Lemma minimum_le : forall l x, In x l -> minimum l <= x.
Proof.
  destruct l as [|a l]; simpl; intros x H; [contradiction|].
  destruct (fold_min_spec l a) as (A & B & _). destruct H as [<-|H]; auto.
Qed.

Lemma minimum_in : forall l, l <> [] -> In (minimum l) l.
Proof.
  destruct l as [|a l]; simpl; intros H; [contradiction|].
  destruct (fold_min_spec l a) as (_ & _ & [C|C]); auto.
Qed.

Lemma minimum_greatest : forall l k, l <> [] -> (forall x, In x l -> k <= x) -> k <= minimum l.
Proof. intros l k H A. apply A, minimum_in, H. Qed.

Lemma in_missing : forall n r s x,
  In x (missing_from n s r) <-> exists i, i < length r /\ x = slot n (s + i) (get r i).
Proof.
  unfold get. induction r as [|c r IH]; simpl; intros s x.
  - split; [contradiction|]. intros (i & H & _); lia.
  - rewrite IH. split.
    + intros [<-|(i & H & ->)].
      * exists 0. split; [lia|]. f_equal; lia.
      * exists (S i). split; [lia|]. f_equal; lia.
    + intros ([|i] & H & ->).
      * left. f_equal; lia.
      * right. exists i. split; [lia|]. f_equal; lia.
Qed.

Lemma missing_nonempty : forall n s r, r <> [] -> missing_from n s r <> [].
Proof. destruct r; simpl; congruence. Qed.

(* Everything before the prefix is held, the slot at the prefix is not. *)
Theorem prefix_held : forall r k, k < prefix r -> holds r k = true.
Proof.
  intros r k H. destruct r as [|c r0]; [unfold prefix in H; simpl in H; lia|].
  assert (Hn : 0 < length (c :: r0)) by (simpl; lia).
  revert H Hn. generalize (c :: r0) as r. clear c r0. intros r H Hn.
  pose proof (slot_of_sent_in (length r) k Hn) as P.
  unfold holds. destruct (sent_in (length r) k) as [s i] eqn:E. destruct P as [Hs <-].
  rewrite Nat.ltb_lt.
  assert (L : prefix r <= slot (length r) s (get r s)).
  { apply minimum_le, in_missing. exists s. auto. }
  unfold slot in *. apply (Nat.mul_lt_mono_pos_r (length r)); lia.
Qed.

Theorem prefix_missing : forall r, holds r (prefix r) = false.
Proof.
  intros r. destruct r as [|c r0]; [reflexivity|]. set (r := c :: r0).
  assert (H : In (prefix r) (missing_from (length r) 0 r)).
  { apply minimum_in, missing_nonempty. discriminate. }
  apply in_missing in H. destruct H as (s & Hs & ->). simpl.
  rewrite holds_slot by auto. apply Nat.ltb_irrefl.
Qed.

Lemma walk_spec : forall r fuel k,
  (forall j, k <= j < walk r k fuel -> holds r j = true) /\ k <= walk r k fuel <= k + fuel
  /\ (walk r k fuel < k + fuel -> holds r (walk r k fuel) = false).
Proof.
  induction fuel; simpl; intros k; [repeat split; intros; lia|].
  destruct (holds r k) eqn:E; [|repeat split; intros; auto; lia].
  destruct (IHfuel (S k)) as (A & B & C). repeat split; try lia.
  - intros j H. destruct (Nat.eq_dec j k) as [->|]; auto. apply A; lia.
  - intros H. apply C; lia.
Qed.

Lemma get_le_maximum : forall r s, get r s <= maximum r.
Proof.
  unfold get, maximum. induction r; destruct s; simpl; try lia. specialize (IHr s); lia.
Qed.

Lemma prefix_bounded : forall r, prefix r <= length r * maximum r.
Proof.
  intros r. destruct r as [|c r0]; [unfold prefix; simpl; lia|].
  assert (Hn : 0 < length (c :: r0)) by (simpl; lia).
  revert Hn. generalize (c :: r0) as r. clear c r0. intros r Hn.
  assert (L : prefix r <= slot (length r) 0 (get r 0)).
  { apply minimum_le, in_missing. exists 0. auto. }
  pose proof (get_le_maximum r 0). unfold slot in L. rewrite Nat.add_0_r in L.
  rewrite Nat.mul_comm. etransitivity; [exact L|]. apply Nat.mul_le_mono_r; auto.
Qed.

(* The closed form is the plain meaning. *)
Theorem prefix_is_walking : forall r, prefix r = prefix_by_walking r.
Proof.
  intros r. unfold prefix_by_walking. set (f := S (length r * maximum r)).
  destruct (walk_spec r f 0) as (A & B & C). pose proof (prefix_bounded r).
  destruct (Nat.lt_trichotomy (prefix r) (walk r 0 f)) as [L|[E|L]]; auto.
  - specialize (A (prefix r)). rewrite prefix_missing in A.
    assert (false = true) by (apply A; lia). discriminate.
  - assert (walk r 0 f < 0 + f) as W by (assert (prefix r < f) by (unfold f; lia); lia).
    specialize (C W). rewrite (prefix_held r _ L) in C. discriminate.
Qed.

(* A stale copy of a row never claims a longer prefix than the row itself. *)
Theorem prefix_monotone : forall a b, length a = length b ->
  (forall s, get a s <= get b s) -> prefix a <= prefix b.
Proof.
  intros a b L H. destruct (Nat.le_gt_cases (prefix a) (prefix b)) as [|G]; auto.
  pose proof (prefix_held a _ G) as A. pose proof (prefix_missing b) as B.
  unfold holds in *. rewrite L in A. destruct (sent_in (length b) (prefix b)) as [s i].
  rewrite Nat.ltb_lt in A. rewrite Nat.ltb_ge in B. specialize (H s). lia.
Qed.

(* ---- stability ------------------------------------------------------------------------------- *)

Theorem stable_held_by_all : forall rows r k,
  In r rows -> k < stable (map prefix rows) -> holds r k = true.
Proof.
  intros rows r k H K. apply prefix_held.
  pose proof (minimum_le (map prefix rows) (prefix r) (in_map _ _ _ H)). unfold stable in K. lia.
Qed.

Theorem stable_greatest : forall rows k, rows <> [] ->
  (forall r, In r rows -> forall j, j < k -> holds r j = true) -> k <= stable (map prefix rows).
Proof.
  intros rows k N H. apply minimum_greatest; [destruct rows; simpl; congruence|].
  intros x X. apply in_map_iff in X. destruct X as (r & <- & R).
  destruct (Nat.le_gt_cases k (prefix r)) as [|G]; auto.
  specialize (H r R _ G). rewrite prefix_missing in H. discriminate.
Qed.

(* ---- the trim -------------------------------------------------------------------------------- *)

(* The witness held exactly the trim, nobody held less, and it is the first of those. *)
Theorem trim_spec : forall held at_ least, trim held = Some (at_, least) ->
  nth_error held at_ = Some least /\ (forall x, In x held -> least <= x)
  /\ (forall i x, i < at_ -> nth_error held i = Some x -> least < x).
Proof.
  induction held as [|x held IH]; simpl; intros at_ least H; [discriminate|].
  destruct (trim held) as [[a m]|] eqn:E.
  - destruct (IH a m eq_refl) as (A & B & C). destruct (Nat.leb_spec x m) as [L|L];
      inversion H; subst; clear H.
    + split; [reflexivity|]. split; [|intros; lia].
      intros y [<-|Y]; [lia|]. specialize (B y Y); lia.
    + split; [exact A|]. split.
      * intros y [<-|Y]; [lia|auto].
      * intros [|i] y I Y; simpl in Y; [inversion Y; subst; lia|]. apply (C i); auto; lia.
  - inversion H; subst; clear H. destruct held as [|y held].
    + split; [reflexivity|]. split; [|intros; lia]. intros z [<-|[]]; lia.
    + simpl in E. destruct (trim held) as [[? ?]|]; [destruct (_ <=? _)|]; discriminate.
Qed.

Theorem trim_exists : forall held, held <> [] -> exists at_ least, trim held = Some (at_, least).
Proof.
  destruct held as [|x held]; intros H; [contradiction|]. simpl.
  destruct (trim held) as [[a m]|]; [destruct (x <=? m)|]; eauto.
Qed.

(* What anybody at all, dead or alive, was told about the members' prefixes is never more than what
   they hold: a claim may be a stale copy, or nothing from a member that is not ready. *)
Definition stale (claims : list nat) (truth : list row) : Prop :=
  length claims = length truth /\ forall i, nth i claims 0 <= prefix (nth i truth []).

(* (no loss) Whatever anybody delivered, judging by its copies of all members' rows, lies inside the
   trim of any survivors whatever. *)
Theorem stable_in_trim : forall claims truth survivors at_ t,
  stale claims truth -> (forall r, In r survivors -> In r truth) ->
  trim (map prefix survivors) = Some (at_, t) -> stable claims <= t.
Proof.
  intros claims truth survivors at_ t [L S] Sub T.
  destruct (trim_spec _ _ _ T) as (W & _ & _). apply nth_error_In, in_map_iff in W.
  destruct W as (r & <- & R). destruct (In_nth truth r [] (Sub r R)) as (i & I & <-).
  assert (J : i < length claims) by (rewrite L; exact I).
  etransitivity; [exact (minimum_le _ _ (nth_In _ 0 J))|apply S].
Qed.

(* (no gap) Each survivor holds each slot of the trim. *)
Theorem trim_held : forall survivors at_ t r k,
  trim (map prefix survivors) = Some (at_, t) -> In r survivors -> k < t -> holds r k = true.
Proof.
  intros survivors at_ t r k T R K. destruct (trim_spec _ _ _ T) as (_ & B & _).
  apply prefix_held. specialize (B _ (in_map prefix _ _ R)). lia.
Qed.

(* (virtual synchrony) Whatever each had delivered before, all end with the same sequence. *)
Theorem same_sequence : forall real d t, d <= t ->
  delivered real d ++ remaining real d t = delivered real t.
Proof.
  intros real d t H. unfold delivered, remaining. rewrite <- filter_app.
  f_equal. replace t with (d + (t - d)) at 2 by lia. rewrite seq_app. reflexivity.
Qed.

Theorem delivered_exact : forall real t k, In k (delivered real t) <-> k < t /\ real k = true.
Proof. intros. unfold delivered. rewrite filter_In, in_seq. intuition lia. Qed.

Theorem delivered_once : forall real t, NoDup (delivered real t).
Proof. intros. apply NoDup_filter, seq_NoDup. Qed.

(* The whole, as the protocol uses it: two survivors that had delivered different stable prefixes,
   each judging by stale copies of its own. *)
Theorem ragged_edge_safe : forall real claims1 claims2 truth survivors at_ t,
  stale claims1 truth -> stale claims2 truth -> (forall r, In r survivors -> In r truth) ->
  trim (map prefix survivors) = Some (at_, t) ->
  let d1 := stable claims1 in
  let d2 := stable claims2 in
  delivered real d1 ++ remaining real d1 t = delivered real d2 ++ remaining real d2 t
  /\ NoDup (delivered real d1 ++ remaining real d1 t)
  /\ (forall r k, In r survivors -> In k (delivered real d1 ++ remaining real d1 t) ->
      holds r k = true).
Proof.
  intros real c1 c2 truth survivors at_ t S1 S2 Sub T d1 d2.
  rewrite (same_sequence real d1 t) by exact (stable_in_trim _ _ _ _ _ S1 Sub T).
  rewrite (same_sequence real d2 t) by exact (stable_in_trim _ _ _ _ _ S2 Sub T).
  split; [reflexivity|]. split; [apply delivered_once|].
  intros r k R K. apply delivered_exact in K. exact (trim_held _ _ _ r k T R (proj1 K)).
Qed.

Print Assumptions prefix_is_walking.
Print Assumptions stable_greatest.
Print Assumptions ragged_edge_safe.
