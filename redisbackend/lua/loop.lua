-- The batch: ARGV has, for each operation, its name, the number of its arguments, and the arguments. The reply
-- has one element for each, in order; an operation that failed has an error there and leaves its neighbours alone.
--
-- This file begins the loop over them. What stands between it and lua/batch.lua may answer an operation by itself.

local argv = ARGV
local at, last = 1, #argv
local ENOUGH = 1500 -- work of general operations (state.work)
local tidied = false -- the operation is the script's own (lua/tidy.lua)
while at <= last and not refusal do
  local name, count, reply = argv[at], argv[at + 1] + 0, nil
