-- Tells a workflow from other YAML by what the buffer says, never by its name.

local M = {}

-- Top-level keys of other tools whose files also have `steps:`.
local FOREIGN = {
  apiVersion = true, -- Kubernetes, Tekton
  availableSecrets = true, -- Cloud Build
  jobs = true, -- GitHub, CircleCI
  kind = true, -- Drone, Kubernetes
  pool = true, -- Azure Pipelines
  runs = true, -- GitHub actions
  stages = true, -- Azure Pipelines, GitLab
  trigger = true, -- Azure Pipelines
}

--- @param lines string[]
--- @return boolean
function M.is_dag(lines)
  local has_steps = false
  for _, line in ipairs(lines) do
    local key = line:match([[^["']?([%w_]+)["']?%s*:]])
    if key == 'steps' then
      has_steps = true
    elseif key and FOREIGN[key] then
      return false
    end
  end
  return has_steps
end

return M
