-- For wrk: sends `depth` requests at once (16 unless told otherwise after `--`).
-- wrk counts each answer, so its figures stay per request.
local batch

function init(arguments)
  local depth = tonumber(arguments[1]) or 16
  batch = string.rep(wrk.format(), depth)
end

function request()
  return batch
end
