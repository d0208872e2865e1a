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

local function prefixed(step, text)
  return step and (step .. ' │ ' .. text) or text
end

--- The last lines of a step that ended without a line break.
local function flush(run, step)
  local lines = {}
  for key, text in pairs(run.partial) do
    if text ~= '' and (not step or vim.startswith(key, step .. '\0')) then
      table.insert(lines, prefixed(key:match('^[^%z]*'), text))
      run.partial[key] = nil
    end
  end
  return lines
end

--- @param params { runId: string, event: table }
function M.on_event(params)
  local event = params.event
  local run = run_of(params.runId)
  local lines
  if event.text and event.stream then
    local key = event.step .. '\0' .. event.stream
    -- Chunks may end inside a line.
    lines = vim.split((run.partial[key] or '') .. event.text, '\r?\n')
    run.partial[key] = table.remove(lines)
    for i, line in ipairs(lines) do
      lines[i] = prefixed(event.step, line)
    end
  else
    lines = flush(run, event.step)
    local text = event.message or event.error or event.status
    if text then
      for _, line in ipairs(vim.split(text, '\n')) do
        table.insert(lines, prefixed(event.step, line))
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
