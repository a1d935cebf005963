(* Majorities: up to where one has come, and what any other one remembers of it. *)
From Coq Require Import List Arith Lia Bool Permutation.
From Notrace Require Import Order.
Import ListNotations.

(* ---- what is executed ------------------------------------------------------------------- *)

Fixpoint insert (x : nat) (l : list nat) : list nat :=
  match l with [] => [x] | y :: rest => if y <=? x then x :: l else y :: insert x rest end.
Fixpoint descending (l : list nat) : list nat :=
  match l with [] => [] | x :: rest => insert x (descending rest) end.

(* The largest value that more than half have reached. *)
Definition reached_by_majority (l : list nat) : option nat :=
  nth_error (descending l) (length l / 2).

(* ---- what holds ---------------------------------------------------------------------------- *)

Definition count {A} (p : A -> bool) (l : list A) : nat := length (filter p l).
Definition majority {A} (p : A -> bool) (l : list A) : Prop := length l < 2 * count p l.

Lemma count_le : forall A (p : A -> bool) l, count p l <= length l.
Proof. unfold count. induction l; simpl; auto. destruct (p a); simpl; lia. Qed.

Lemma count_permutation : forall A (p : A -> bool) l l',
  Permutation l l' -> count p l = count p l'.
Proof.
  unfold count. induction 1; simpl; auto; try lia.
  - destruct (p x); simpl; auto.
  - destruct (p x), (p y); simpl; auto.
Qed.

(* Two majorities of the same members share a member. *)
Theorem majorities_intersect : forall A (p q : A -> bool) l,
  majority p l -> majority q l -> exists x, In x l /\ p x = true /\ q x = true.
Proof.
  intros A p q l P Q. unfold majority in *.
  assert (H : forall l, count p l + count q l <= length l
              \/ exists x, In x l /\ p x = true /\ q x = true).
  { clear. unfold count. induction l as [|x l [IH|(y & I & Y)]]; simpl.
    - left; lia.
    - destruct (p x) eqn:Px, (q x) eqn:Qx; simpl; try (left; lia). right; eauto.
    - right; eauto. }
  destruct (H l); [lia|auto].
Qed.

Lemma insert_permutation : forall x l, Permutation (x :: l) (insert x l).
Proof.
  induction l as [|y l IH]; simpl; auto. destruct (y <=? x); auto.
  etransitivity; [apply perm_swap|]. auto.
Qed.

Lemma descending_permutation : forall l, Permutation l (descending l).
Proof.
  induction l as [|x l IH]; simpl; auto.
  etransitivity; [apply perm_skip, IH|apply insert_permutation].
Qed.

Inductive falling : list nat -> Prop :=
  | falling_nil : falling []
  | falling_cons : forall x l, (forall y, In y l -> y <= x) -> falling l -> falling (x :: l).

Lemma insert_falling : forall x l, falling l -> falling (insert x l).
Proof.
  induction 1 as [|y l B F IH]; simpl; [constructor; [intros y []|constructor]|].
  destruct (Nat.leb_spec y x).
  - constructor; [|constructor; auto]. intros z [<-|Z]; [auto|]. specialize (B z Z); lia.
  - constructor; auto. intros z Z.
    apply (Permutation_in _ (Permutation_sym (insert_permutation x l))) in Z.
    destruct Z as [<-|Z]; [lia|auto].
Qed.

Lemma descending_falling : forall l, falling (descending l).
Proof. induction l; simpl; [constructor|apply insert_falling; auto]. Qed.

(* Up to the value at `at_`, at least at_ + 1 have come; above it, at most at_. *)
Lemma falling_counts : forall l, falling l -> forall at_ v, nth_error l at_ = Some v ->
  at_ < count (Nat.leb v) l /\ (forall w, v < w -> count (Nat.leb w) l <= at_).
Proof.
  induction 1 as [|x l B F IH]; intros at_ v E; [destruct at_; discriminate|].
  assert (Z : forall w, x < w -> count (Nat.leb w) l = 0).
  { intros w W. unfold count. clear -B W. induction l as [|y l IH]; simpl; auto.
    destruct (Nat.leb_spec w y); [specialize (B y (or_introl eq_refl)); lia|].
    apply IH. intros z Hz; apply B; right; auto. }
  destruct at_ as [|at_]; simpl in E.
  - inversion E; subst. unfold count in *. simpl. rewrite Nat.leb_refl. split; [simpl; lia|].
    intros w W. destruct (Nat.leb_spec w v); [lia|]. rewrite Z; auto.
  - destruct (IH at_ v E) as [P Q]. pose proof (B v (nth_error_In _ _ E)).
    unfold count in *. simpl. destruct (Nat.leb_spec v x); [|lia]. split; [simpl; lia|].
    intros w W. specialize (Q w W). destruct (w <=? x); simpl; lia.
Qed.

(* More than half have reached the value, one of them has it exactly, and it is the largest such. *)
Theorem reached_spec : forall l v, reached_by_majority l = Some v ->
  majority (Nat.leb v) l /\ In v l /\ (forall w, majority (Nat.leb w) l -> w <= v).
Proof.
  unfold reached_by_majority, majority. intros l v E.
  pose proof (descending_permutation l) as P.
  destruct (falling_counts _ (descending_falling l) _ _ E) as [A B].
  pose proof (Nat.div_mod (length l) 2). pose proof (Nat.mod_upper_bound (length l) 2).
  split; [|split].
  - rewrite (count_permutation _ _ _ _ P). lia.
  - apply (Permutation_in _ (Permutation_sym P)). eapply nth_error_In; eauto.
  - intros w W. destruct (Nat.le_gt_cases w v) as [|G]; auto. specialize (B w G).
    rewrite (count_permutation _ _ _ _ P) in W. lia.
Qed.

Theorem reached_exists : forall l, l <> [] -> exists v, reached_by_majority l = Some v.
Proof.
  unfold reached_by_majority. intros l N.
  destruct (nth_error (descending l) (length l / 2)) eqn:E; [eauto|].
  apply nth_error_None in E. rewrite <- (Permutation_length (descending_permutation l)) in E.
  assert (0 < length l) by (destruct l; simpl; [contradiction|lia]).
  pose proof (Nat.div_lt (length l) 2). lia.
Qed.

(* ---- the choice of a restart ----------------------------------------------------------------- *)

(* A member: what others were told of its disk before, and what its disk holds when all come back.
   Disks are lengths of one agreed history, and never get shorter. *)
Definition member := (nat * nat)%type.
Definition told (m : member) := fst m.
Definition disk (m : member) := snd m.
Definition longest (reports : list member) : nat := maximum (map disk reports).

Lemma maximum_ge : forall l x, In x l -> x <= maximum l.
Proof. induction l as [|y l IH]; simpl; intros x []; [subst; lia|]. specialize (IH x H); lia. Qed.

Lemma maximum_in : forall l, l <> [] -> In (maximum l) l.
Proof.
  induction l as [|x l IH]; intros N; [contradiction|]. simpl.
  destruct l as [|y l]; [simpl; left; lia|].
  destruct (Nat.max_dec x (maximum (y :: l))) as [->| ->]; auto. right. apply IH. discriminate.
Qed.

Lemma count_map : forall A B (f : A -> B) p l, count p (map f l) = count (fun x => p (f x)) l.
Proof. unfold count. induction l; simpl; auto. destruct (p (f a)); simpl; auto. Qed.

(* (durability) Whatever was called durable on a majority, judging by stale copies, is inside the
   longest log of any majority that comes back. *)
Theorem longest_has_all_durable : forall members v (back : member -> bool),
  (forall m, In m members -> told m <= disk m) ->
  reached_by_majority (map told members) = Some v -> majority back members ->
  v <= longest (filter back members).
Proof.
  intros members v back S R B. destruct (reached_spec _ _ R) as (M & _ & _).
  unfold majority in M. rewrite map_length, count_map in M.
  destruct (majorities_intersect _ _ _ _ M B) as (m & I & T & K).
  apply Nat.leb_le in T. pose proof (S m I).
  assert (D : In (disk m) (map disk (filter back members)))
    by (apply in_map, filter_In; auto).
  pose proof (maximum_ge _ _ D). unfold longest. lia.
Qed.

(* The choice has a witness among those who came back, and they all agree with it. *)
Theorem longest_has_witness : forall reports, reports <> [] ->
  exists m, In m reports /\ disk m = longest reports
  /\ forall other, In other reports -> disk other <= disk m.
Proof.
  intros reports N. pose proof (maximum_in (map disk reports)) as I.
  assert (map disk reports <> []) by (destruct reports; simpl; congruence).
  apply in_map_iff in I; auto. destruct I as (m & E & M). exists m. split; auto. split; auto.
  intros other O. rewrite E. apply maximum_ge, in_map, O.
Qed.

(* Two restarts, each by a majority, the second from disks that are no shorter: nothing that the
   first one chose is lost by the second, if a majority has taken over the first choice. *)
Theorem restarts_only_grow : forall members v (first second : member -> bool),
  majority first members -> (forall m, first m = true -> v <= disk m) ->
  majority second members -> v <= longest (filter second members).
Proof.
  intros members v first second F T G.
  destruct (majorities_intersect _ _ _ _ F G) as (m & I & A & B).
  specialize (T m A).
  assert (D : In (disk m) (map disk (filter second members)))
    by (apply in_map, filter_In; auto).
  pose proof (maximum_ge _ _ D). unfold longest. lia.
Qed.

Print Assumptions majorities_intersect.
Print Assumptions reached_spec.
Print Assumptions longest_has_all_durable.
Print Assumptions restarts_only_grow.
