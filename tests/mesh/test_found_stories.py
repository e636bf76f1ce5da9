"""Stories that the simulation has found, each the shortest that failed, kept as it was printed
(tests/support/shrink.py); the lines above say what was wrong. Then what seeds seldom meet."""

from __future__ import annotations

from tests.mesh.test_digest_resync import apart, asks, until
from tests.support.plan import Plan
from tests.support.play import told


def test_a_client_that_waited_has_seen_what_it_is_served() -> None:
    # The pop of a waiting client was published while the push was being applied: its context did
    # not name the push, so who heard of the pop first kept the element for ever.
    told(Plan(seed=0, skews=(0, 0, 0), disks=("", "", "")), """
        63 heal 0 0 707615713
        78 say 0 1 297394539 BLMPOP 0.05 1 li0 LEFT
        97 say 2 1 532063918 RPUSH li0 e26
        100 link 2 0 796666885
        119 unit 2 2 207069216 RPUSH li0 e27 e27 e34
        164 link 2 0 606523847
    """)


def test_a_whole_hash_that_comes_after_a_deadline_of_its_field_leaves_it() -> None:
    # RESTORE said "no deadline" of every field, also where one that had seen it was here already.
    told(Plan(seed=579, skews=(0, 0, 0), disks=("", "", "")), """
        47 say 2 0 236866122 RESTORE ha0 0 {dump:hashes} REPLACE
        77 link 0 1 630281008
        79 link 0 1 1001062011
        79 link 2 0 67426102
        79 link 2 0 813614097
        87 link 2 0 667816350
        142 say 0 0 543868999 HEXPIRE ha0 1 FIELDS 1 m1
    """)


def test_a_set_that_is_equal_and_then_removed_while_two_compare_is_gone() -> None:
    mesh, a, b = apart()
    mesh.heal()
    a("SADD", "s", "x")
    mesh.heal()
    mesh.cut_all()
    for node in (a, b):
        for _ in range(60):
            node("SET", f"of {node.name}", "x" * 40)
    wire = asks(mesh, 0, 1)
    until(mesh, wire, lambda: bool(
        wire.intake and wire.intake.ranges and wire.intake.ranges.compared
    ))  # fmt: skip
    a("DEL", "s")  # nothing is left of it here, and the other found it equal
    until(mesh, wire, lambda: wire.staged)
    assert b("EXISTS", "s") == 1
    mesh.flow()
    assert b("EXISTS", "s") == 0
    mesh.heal()


def test_a_stream_does_not_end_with_a_frame_that_nobody_has() -> None:
    # The frame that said that a member leaves was lost with its links; the node that came back
    # read it in its old file and ended the stream there, one stamp beyond what anyone has.
    told(Plan(seed=265, skews=(0, 0), disks=("", ""), forgets="frame"), """
        191 leave 1 0 784376778
        194 say 0 0 406312300 LPUSH li0 e40 e45
        223 save 1 0 214708048
    """)


def test_who_leaves_with_a_clock_an_hour_ahead_is_not_asked_without_end() -> None:
    # The simulated link asked again at once after a stamp that is not taken; a real one waits.
    told(Plan(seed=421, skews=(0, 0), disks=("", ""), forgets="frame",
              troubles=("an hour ahead",)), """
        33 clock 0 3600000 83739623
        41 leave 0 0 805248915
    """)


def test_nobody_is_asked_where_a_stream_ends_that_only_a_state_put_aside_had() -> None:
    # A member was expelled before anybody had a frame of its stream, and its end was written down;
    # its file, read by who came back, opened the stream's closing again, with nobody to end it.
    told(Plan(seed=290, skews=(0, 0), disks=("", ""), forgets="frame"), """
        69 join 0 -148 994826962 empty
        97 expel 0 2 718084760
        117 leave 1 0 758946509
        135 beat 0 0 222313293
        146 save 2 0 613610682
    """)


def test_who_takes_a_whole_state_was_nobody_s_sponsor() -> None:
    # An empty node that came back let in the members that it met, as if they held what it had
    # written; the state that it took did not take that back, so it counted as stable.
    told(Plan(seed=554, skews=(0, 0), disks=("", ""), forgets="frame"), """
        62 leave 1 0 791976685
        65 beat 0 0 540743673
        85 say 0 0 29313334 KEYDB.MVCCRESTORE se0 1782579200356515840 -1 {dump:sets}
        126 return 1 0 774453631
        127 link 0 1 70118407
        127 link 0 1 734494173
        135 work 0 0 308539158
        136 say 0 0 955245891 SADD se0 m1
        136 link 0 1 442473078
        138 save 0 0 211652715
        140 link 0 1 1008762917
        186 save 1 0 96966040
        206 link 0 1 605916787
    """)


def test_who_crashes_before_its_first_save_goes_on_with_a_state_first() -> None:
    # It was let in and counted as holding what its sponsor had; then its process died with all of
    # that, and the next one wrote before it had heard of anything.
    told(Plan(seed=1130, skews=(0, 0), disks=("", ""), forgets="frame"), """
        10 join 0 0 11 empty
        15 link 0 2 0
        15 link 0 2 3
        15 link 1 0 3
        15 link 0 2 4
        15 link 0 2 5
        15 link 0 2 6
        15 link 1 2 7
        15 link 2 0 7
        15 link 2 0 9
        15 link 2 0 10
        50 crash 2 0 19 last
        51 say 2 0 21 SADD se0 b
    """)


def test_who_comes_back_twice_before_it_heard_of_its_mesh_is_one_member() -> None:
    # Its file named its earlier id as a member and nobody else: a mesh of two, that may not join.
    told(Plan(seed=611, skews=(0, 0, 0), disks=("", "", ""), forgets="frame"), """
        119 leave 1 0 976655845
        162 return 1 0 865946770
        203 expel 2 1 214180633
        213 beat 1 0 725578628
        249 save 1 0 704214058
    """)


def test_what_a_replaced_node_had_said_before_is_of_another_stream() -> None:
    # It wrote on, was found to lack what it had reported, and took the mesh's state: who had its
    # frames from before kept them, while its stream went on as if nobody had.
    told(Plan(seed=219, skews=(-53, -106, 84), disks=("", "", ""), forgets="frame"), """
        67 say 0 0 752791029 GETSET st1 v61
        67 beat 0 0 132841783
        67 link 0 1 906944655
        70 save 1 0 109091694
        71 beat 1 0 845505899
        84 leave 0 0 392273225
        105 say 2 0 975648472 SET st1 v46 PXAT 1700000000190
        115 save 2 0 692349652
        194 restore 1 9 286453708 old
        219 say 1 0 258839730 SET st1 v406 GET
    """)


def test_who_is_about_to_join_a_mesh_stays_with_nobody_else_meanwhile() -> None:
    # Two newcomers met on their way into the mesh: one thought that of two which are to be replaced
    # one has to stay, took the other's frames, and brought them to the mesh.
    told(Plan(seed=29, skews=(0, 0), disks=("", ""), forgets="frame"), """
        150 join 0 66 686183944 empty
        153 say 2 0 99118547 HSETNX ha3 m6 nx
        160 beat 0 0 484101222
        172 join 0 383 194975134 empty
    """)


def test_a_member_that_returns_with_more_than_it_left_with_may_be_the_one_that_stays() -> None:
    # Everybody else had left as well. Its stream had ended with the frame that said that it leaves,
    # below what its state has: each node had more of an ended process than any member, for ever.
    told(Plan(seed=497, skews=(0, 0, 0), disks=("", "", ""), forgets="frame"), """
        73 say 0 0 91143363 HSET ha0 m0 15 m6 x
        84 expel 1 0 568041908
        87 leave 1 0 603411457
        92 save 0 0 355095695
        180 beat 2 0 423130312
        189 save 2 0 707155632
        190 forget 2 0 773030044
    """)


def test_a_newcomer_that_has_written_and_removed_all_of_it_was_somebody() -> None:
    # It had no key left when it took the mesh's state: its frames from before, written without
    # knowing what was stable, went on their way with the later ones.
    told(Plan(seed=878, skews=(0, 0), disks=("", ""), forgets="frame"), """
        111 join 0 -172 869873631 empty
        122 say 2 0 751796440 ZADD zs1 LT 7.25 m3
        138 beat 0 0 251019737
        150 say 2 0 193040193 DEL zs1 zs0
    """)


def test_a_removal_takes_the_deadline_of_a_member_that_was_added_again_meanwhile() -> None:
    # The deadline was stable, so a plain one: where the member had a new dot the removal was over
    # at once, and the deadline that it had seen stayed.
    told(Plan(seed=599, skews=(0, 0), disks=("", ""), forgets="frame"), """
        30 unit 1 0 136741131 SADD se0 m1 m0
        35 say 1 0 457247497 PEXPIREMEMBERAT se0 m0 1700000099768
        96 heal 0 0 957929703
        199 say 0 0 71602841 SPOP se0 2
        228 say 1 0 511679560 SADD se0 m0 m1 m0 m1 m1
    """)


def test_who_comes_back_says_that_its_former_self_is_gone() -> None:
    # Nobody had taken the frame that said so, and the file that it started from was older: its
    # former id stayed a member for ever, whose streams nobody could close.
    told(Plan(seed=1431, skews=(0, 0), disks=("", ""), forgets="frame"), """
        218 heal 0 0 1037785809
        219 save 0 0 890120878
        228 leave 0 0 834382920
        230 restore 1 3 891130049 old
        253 say 0 0 460392257 XREADGROUP GROUP g1 c0 NOACK STREAMS st1 >
    """)


def test_who_was_expelled_by_a_member_that_left_before_it_was_back_is_gone() -> None:
    # Of both only the other one knew it, and both came back with files in which both were members.
    told(Plan(seed=1763, skews=(0, 0), disks=("", ""), forgets="frame"), """
        22 expel 1 0 253469814
        135 return 0 0 91428956
        158 leave 1 0 1032991616
    """)


def test_a_leaver_s_log_goes_on_behind_the_frame_that_says_that_it_leaves() -> None:
    # Read frame by frame the stream was ended at that one, below what came after it; its state was
    # the one that stayed, and whoever took it had more of an ended process than any member.
    told(Plan(seed=945, skews=(0, 0), disks=("always", "always"), forgets="frame"), """
        22 heal 0 0 137069971
        27 leave 0 0 127832308
        30 say 0 0 461589700 SET st0 v0
        40 return 0 0 916
        41 leave 1 0 0
        52 say 1 0 461589701 SET st0 v1
    """)


def test_what_a_member_has_said_binds_it_before_it_counts() -> None:
    # Its peer had heard its report, and had not counted it when the member came back with an older
    # state: it was not told, wrote on, and then the report moved the cut beyond what it had seen.
    told(Plan(seed=3401, skews=(0, 0), disks=("", ""), forgets="random"), """
        128 heal 0 0 978357421
        142 restore 1 2 840510861 old
        142 link 0 1 304104744
        149 say 1 0 622371343 HINCRBY coh0 m1 11
        258 link 0 1 537771529
        261 link 0 1 288934417
        264 beat 0 0 331235308
    """)


def test_of_several_states_that_are_void_none_is_taken_over() -> None:
    # Two came back under new ids, and the third was about to join a mesh that gave way to them. It
    # took the one's void state, lacked what the other knew it to have said, took that one's, and so
    # on without end.
    told(Plan(seed=155, skews=(0, 0, 0), disks=("", "", ""), forgets="frame"), """
        64 leave 2 0 741461993
        115 leave 0 0 148669021
        124 join 0 -148 965976256 empty
        135 join 0 30 1047136002 empty
        181 say 4 0 199075038 HSET coh0 m7 11
        208 save 4 0 654214526
        232 link 4 1 767146900
        259 link 4 1 429087599
        260 beat 4 0 59644558
        260 say 2 0 1033971054 EXPIREMEMBER se0 m1 1
    """)


def test_a_string_of_patches_alone_shows() -> None:
    # When they were folded the sorted set that they had hidden stayed, for ever.
    links = {(0, 1), (1, 2), (2, 3), (3, 4)}
    missing = tuple(
        (a, b) for a in range(5) for b in range(5)
        if a != b and (a, b) not in links and (b, a) not in links
    )  # fmt: skip
    told(Plan(seed=4006, skews=(0,) * 5, disks=("",) * 5, missing=missing, forgets="random"), """
        123 say 3 0 903802810 ZADD bi0 1 m7 1 m7
        135 say 0 0 359224730 SETBIT bi0 19 0
        237 heal 0 0 766334167
        246 say 1 0 933780257 APPEND bi0 z
        258 link 3 2 672050974
        258 say 1 0 620387268 SADD se0 m7
    """)


def test_what_all_had_in_a_state_that_was_replaced_is_told_again() -> None:
    # A stream had retired in the mesh that node 0 was in before: it named it to nobody in the next
    # one, whose closer waited for that word, and so what the departed member held was never more.
    told(Plan(seed=4298, skews=(0, 0, 0, 0), disks=("", "", "", ""), forgets="frame"), """
        12 beat 1 0 31994617
        15 leave 3 0 1057734505
        16 beat 1 0 788849540
        64 say 0 0 877058582 HSET ha1 m0 v532
        67 link 0 2 567826390
        67 beat 1 0 545321645
        68 link 1 0 138304094
        76 save 0 0 960578151
        76 unit 0 0 205885082 COPY ha1 ha1 DB 1 REPLACE
        76 link 0 2 455819761
        81 say 0 0 879796614 COPY ha1 ha0 REPLACE
        83 say 0 0 372600884 HEXPIRE ha0 1 FIELDS 1 m0
        90 link 0 2 480623708
        113 expel 2 0 65106047
        205 return 0 0 986526369
        220 expel 0 2 351993566
        243 expel 0 1 343763256
        268 beat 2 0 727803635
        270 save 2 0 336515906
        275 beat 0 0 118812889
        277 link 0 2 47806757
    """)
