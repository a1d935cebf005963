//! The parts of the suite, as lists of tests for a rig.

/// Every rule that can be seen from the ends of a link.
macro_rules! keeps_the_rules {
    ($rig:ty) => {
        list! { $rig, rules:
            both_ends_learn_of_each_other,
            a_dial_to_nobody_fails_once,
            writes_and_rings_land_in_order,
            a_bell_means_that_all_before_it_can_be_read,
            parts_land_one_after_the_other,
            a_write_outside_the_region_is_refused,
            a_read_outside_the_region_is_refused,
            a_link_that_is_not_there_refuses_everything,
            a_write_to_who_takes_nothing_is_refused_until_there_is_room,
            every_ring_is_seen,
            a_cut_is_seen_once_at_the_other_end,
            an_end_that_is_dropped_is_seen_to_go,
            a_number_is_never_used_again,
            links_do_not_mix,
            one_link_too_many_fails,
            a_write_may_fill_the_region,
            both_may_dial_each_other,
            a_wake_ends_a_wait,
            a_wake_before_the_wait_ends_it,
            wakes_are_merged,
            a_wait_ends_when_its_time_is_over,
        }
        list! { $rig, letters:
            letters_of_all_sizes_arrive_whole,
            thousands_arrive_in_order_both_ways,
            letters_pass_a_ring_much_smaller_than_they_are,
            an_outbox_is_bounded,
            ends_on_threads_of_their_own_lose_nothing,
        }
        list! { $rig, sealed:
            sealed_letters_of_all_sizes_arrive_whole,
            sealed_letters_pass_a_small_ring,
            no_flipped_bit_gives_a_wrong_letter,
            no_run_can_be_left_out,
            no_run_can_be_repeated,
            no_run_can_be_read_with_another_key,
        }
    };
}

/// What happens when the wire between two ends fails.
macro_rules! keeps_the_rules_when_wires_fail {
    ($rig:ty) => {
        list! { $rig, wires:
            what_is_held_back_is_not_seen,
            a_held_way_does_not_hold_the_other,
            a_torn_write_rings_no_bell,
            a_torn_whole_region_rings_no_bell,
            a_severed_link_comes_back_as_another,
            letters_before_the_tear_are_whole,
        }
    };
}

macro_rules! list {
    ($rig:ty, $part:ident: $($test:ident),+ $(,)?) => {
        mod $part {
            $(
                #[test]
                fn $test() {
                    $crate::$part::$test::<$rig>();
                }
            )+
        }
    };
}
