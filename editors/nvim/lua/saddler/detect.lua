-- Tells a workflow from other YAML by what the buffer says, never by its name: a cheap reading of the rule that the
-- server has in `Document::is_dag`, so that no server is started for other files. The lists are the same.

local M = {}

local function set(...)
  local keys = {}
  for _, key in ipairs({ ... }) do
    keys[key] = true
  end
  return keys
end

--- Top-level keys that only a workflow has, or that every workflow has.
local TELLING =
  set('steps', 'handler_on', 'harness', 'harnesses', 'max_active_steps', 'max_clean_up_time_sec', 'hist_retention_days')

--- Top-level keys of other tools whose files also have `steps:`.
local FOREIGN = set(
  'apiVersion',
  'jobs',
  'kind',
  'on',
  'pipeline',
  'pipelines',
  'pool',
  'pr',
  'runs',
  'stages',
  'trigger',
  'variables'
)

--- @param lines string[]
--- @return boolean
function M.is_dag(lines)
  local told = false
  for _, line in ipairs(lines) do
    local key = line:match([[^["']?([%w_]+)["']?%s*:]])
    if key and FOREIGN[key] then
      return false
    end
    told = told or (key ~= nil and TELLING[key] == true)
  end
  return told
end

return M
