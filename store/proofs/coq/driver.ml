(* Answers one question a line: a letter for the function, then its numbers. *)

let optional show = function None -> "none" | Some it -> show it
let pair (a, b) = Printf.sprintf "%d %d" a b
let row numbers = String.concat " " (List.map string_of_int numbers)

let answer question numbers =
  match question, numbers with
  | "slot", [senders; sender; index] -> string_of_int (Proved.slot senders sender index)
  | "sent_in", [senders; slot] -> pair (Proved.sent_in senders slot)
  | "prefix", received -> string_of_int (Proved.prefix received)
  | "walk", received -> string_of_int (Proved.prefix_by_walking received)
  | "owed", me :: received -> string_of_int (Proved.owed me received)
  | "filled", received -> row (Proved.filled received)
  | "stable", prefixes -> string_of_int (Proved.stable prefixes)
  | "trim", held -> optional pair (Proved.trim held)
  | "majority", reached -> optional string_of_int (Proved.reached_by_majority reached)
  | _ -> failwith "no such question"

let () =
  try
    while true do
      match String.split_on_char ' ' (String.trim (input_line stdin)) with
      | question :: numbers ->
        print_string (answer question (List.map int_of_string numbers));
        print_char '\n'
      | [] -> ()
    done
  with End_of_file -> ()
