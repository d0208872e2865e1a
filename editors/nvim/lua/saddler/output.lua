-- The scratch buffers that show what runs print: one per run, in one split.

local M = {}

--- One run: its buffer, and per step and stream the text after the last line break.
--- @class saddler.Run
--- @field buf integer
--- @field partial table<string, string>

--- @type table<string, saddler.Run>
local runs = {}
local latest --- @type string?
local height = 12

--- @param options { height?: integer }
function M.configure(options)
  height = options.height or height
end

local function append(buf, lines)
  local empty = vim.api.nvim_buf_line_count(buf) == 1 and vim.api.nvim_buf_get_lines(buf, 0, 1, false)[1] == ''
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_lines(buf, empty and 0 or -1, -1, false, lines)
  vim.bo[buf].modifiable = false
  local last = vim.api.nvim_buf_line_count(buf)
  for _, win in ipairs(vim.fn.win_findbuf(buf)) do
    -- Follows the output, but leaves a reader who scrolled back alone.
    if win ~= vim.api.nvim_get_current_win() or vim.api.nvim_win_get_cursor(win)[1] >= last - #lines then
      vim.api.nvim_win_set_cursor(win, { last, 0 })
    end
  end
end

local function show(buf)
  for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(win)].filetype == 'saddlerrun' then
      vim.api.nvim_win_set_buf(win, buf)
      return
    end
  end
  local win = vim.api.nvim_open_win(buf, false, { split = 'below', win = -1, height = height })
  vim.wo[win].number = false
  vim.wo[win].signcolumn = 'no'
  vim.wo[win].winfixheight = true
end

--- @param id string
--- @return saddler.Run
local function run_of(id)
  local run = runs[id]
  if run and vim.api.nvim_buf_is_valid(run.buf) then
    return run
  end
  local buf = vim.api.nvim_create_buf(false, true)
  vim.bo[buf].bufhidden = 'hide'
  vim.bo[buf].modifiable = false
  vim.bo[buf].filetype = 'saddlerrun'
  vim.api.nvim_buf_set_name(buf, 'saddler://run/' .. id)
  run = { buf = buf, partial = {} }
  runs[id] = run
  latest = id
  show(buf)
  return run
end

--- @param step? { id?: string, name: string }
local function label(step)
  return step and (step.id or step.name)
end

local function prefixed(step, text)
  return step and (step .. ' | ' .. text) or text
end

--- What is said of events other than output; the others are not shown.
--- @type table<string, fun(event: table): string>
local SAID = {
  image_pulling = function(event)
    return 'pulling ' .. event.image
  end,
  fallback_started = function(event)
    return 'falling back to ' .. event.provider
  end,
  attempt_failed_will_retry = function(event)
    return ('attempt %d failed: %s; next in %g s'):format(event.attempt, event.error, event.delay_ms / 1000)
  end,
  noticed = function(event)
    return event.message
  end,
  step_finished = function(event)
    return event.error and (event.status .. ': ' .. event.error) or event.status
  end,
  stop_started = function()
    return 'stopping'
  end,
  run_finished = function(event)
    return 'run ' .. event.status
  end,
}

--- What a step has printed since its last line break.
local function rest(run, step)
  local lines = {}
  for key, text in pairs(run.partial) do
    if text ~= '' and vim.startswith(key, step .. '\0') then
      table.insert(lines, prefixed(step, text))
      run.partial[key] = nil
    end
  end
  return lines
end

--- @param params { runId: string, event: table } the event is a line of `saddler run --format json`
function M.on_event(params)
  local event = params.event
  local run = run_of(params.runId)
  local step = label(event.step)
  local lines = {}
  if event.event == 'output' then
    local key = step .. '\0' .. event.stream
    -- The text may end inside a line.
    local pieces = vim.split((run.partial[key] or '') .. event.text, '\r?\n')
    run.partial[key] = table.remove(pieces)
    for _, piece in ipairs(pieces) do
      table.insert(lines, prefixed(step, piece))
    end
  else
    if event.event == 'step_finished' then
      lines = rest(run, step)
    end
    local say = SAID[event.event]
    if say then
      for _, line in ipairs(vim.split(say(event), '\n')) do
        table.insert(lines, prefixed(step, line))
      end
    end
  end
  if #lines > 0 then
    append(run.buf, lines)
  end
end

--- Shows the latest run again, also after its window was closed.
--- @return boolean shown
function M.show_latest()
  local run = latest and runs[latest]
  if not run or not vim.api.nvim_buf_is_valid(run.buf) then
    return false
  end
  show(run.buf)
  return true
end

return M
