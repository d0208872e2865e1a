-- One way through the editor as a user goes it, in a headless Neovim with nothing but the plugin. Prints a line per
-- claim and leaves with an error when one does not hold.

local failed, passed = 0, 0

local function claim(what, holds, found)
  if holds then
    passed = passed + 1
    io.stdout:write('ok      neovim: ' .. what .. '\n')
  else
    failed = failed + 1
    io.stdout:write('not ok  neovim: ' .. what .. '\n')
    if found ~= nil then
      io.stdout:write('        found: ' .. (type(found) == 'string' and found or vim.inspect(found)) .. '\n')
    end
  end
end

--- A claim without which the rest says nothing.
local function need(what, holds, found)
  claim(what, holds, found)
  if not holds then
    error(what .. ': not so, and the rest depends on it', 0)
  end
end

--- Lets the editor live until the condition holds; its last value either way.
local function eventually(condition, seconds)
  local value
  vim.wait((seconds or 20) * 1000, function()
    value = condition()
    return value
  end, 50)
  return value
end

local function edit(file)
  vim.cmd.edit(file)
  return vim.api.nvim_get_current_buf()
end

local function attached(buf)
  return #vim.lsp.get_clients({ bufnr = buf, name = 'saddler' }) == 1
end

local function line_of(text)
  return vim.fn.search('\\V' .. text, 'nw')
end

local function output_window()
  for _, win in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(win)].filetype == 'saddlerrun' then
      return win
    end
  end
end

local function output_text()
  local win = output_window()
  return win and table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(win), 0, -1, false), '\n') or ''
end

local function output_has(text)
  return output_text():find(text, 1, true) ~= nil
end

local function diagnostics_at(buf, line)
  return vim.diagnostic.get(buf, { lnum = line - 1 })
end

--- The containers that run the prompt of wait.yaml. Others on this engine are not ours.
local function containers()
  local running = vim.fn.systemlist({ 'docker', 'ps', '--no-trunc', '--format', '{{.ID}} {{.Command}}' })
  return vim.tbl_filter(function(line)
    return line:find('echo waiting', 1, true) ~= nil
  end, running)
end

local function journey()
  local other = edit('services.yaml')
  vim.wait(300)
  claim('other YAML gets no server', not attached(other))

  local broken = edit('stdin-in-container.yaml')
  need('a workflow gets the server', eventually(function()
    return attached(broken)
  end))
  local line = line_of('stdin:')
  claim('the mistake is marked where it is', eventually(function()
    return diagnostics_at(broken, line)[1]
  end), vim.diagnostic.get(broken))
  local mark = diagnostics_at(broken, line)[1]
  claim('the mark is an error about stdin', mark and mark.severity == vim.diagnostic.severity.ERROR
    and mark.message:find('stdin', 1, true), mark)

  vim.cmd.normal({ args = { line .. 'Gdd' }, bang = true })
  claim('taking the line out clears the mark', eventually(function()
    return #vim.diagnostic.get(broken, { severity = vim.diagnostic.severity.ERROR }) == 0
  end), vim.diagnostic.get(broken))
  vim.cmd.undo()

  local inspect = edit('inspect.yaml')
  eventually(function()
    return attached(inspect)
  end)
  vim.fn.cursor(line_of('provider: shell'), 1)
  vim.cmd.SaddlerRunStep()
  claim('the step ran in its container and its output is shown', eventually(function()
    return output_has('inspect | release 3.20.0 in /workspace')
  end, 60), output_text())
  claim('the step saw the folder of the file', eventually(function()
    return output_has('inspect | inspect.yaml')
  end), output_text())
  claim('the cursor stayed in the workflow', vim.api.nvim_get_current_buf() == inspect)
  claim('only the chosen step ran', not output_has('no, not today'), output_text())

  vim.fn.cursor(line_of('- id: refuse'), 1)
  vim.cmd.SaddlerRunStep()
  local refuse_line = line_of('- id: refuse')
  claim('a failed step is marked on the step', eventually(function()
    return vim.iter(diagnostics_at(inspect, refuse_line)):any(function(found)
      return found.message:find('7', 1, true) ~= nil
    end)
  end, 60), vim.diagnostic.get(inspect))

  local wait = edit('wait.yaml')
  eventually(function()
    return attached(wait)
  end)
  vim.cmd.SaddlerRunDag()
  need('a whole workflow runs', eventually(function()
    return output_has('wait | waiting')
  end, 60), output_text())
  claim('its container is there', #containers() == 1, containers())
  vim.cmd.SaddlerCancel()
  claim('cancelling ends the run', eventually(function()
    return output_has('aborted')
  end, 30), output_text())
  claim('and takes the container away', eventually(function()
    return #containers() == 0
  end), containers())

  vim.api.nvim_win_close(output_window(), true)
  vim.cmd.SaddlerOutput()
  claim('the latest output can be shown again', output_has('wait | waiting'))

  local fresh = edit('fresh.yaml')
  claim('an empty file gets no server', not attached(fresh))
  vim.api.nvim_buf_set_lines(fresh, 0, -1, false, { 'steps:', '  - id: a', '    run: true' })
  vim.cmd.write()
  claim('a file that becomes a workflow gets the server', eventually(function()
    return attached(fresh)
  end))

  local client = vim.lsp.get_clients({ name = 'saddler' })[1]
  claim('all buffers share one server', #vim.lsp.get_clients({ name = 'saddler' }) == 1)
  client.stop()
  claim('the server ends when told', eventually(function()
    return #vim.lsp.get_clients({ name = 'saddler' }) == 0
  end, 10))
end

local ok, problem = xpcall(journey, debug.traceback)
if not ok then
  claim('the journey comes to its end', false, problem)
end
io.stdout:write(('neovim: %d passed, %d failed\n'):format(passed, failed))
vim.cmd(failed == 0 and 'qall!' or 'cquit!')
