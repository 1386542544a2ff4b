# Strings, hashes, blocks, libraries that are loaded on the way, threads, errors, a garbage collector.
$stdout.sync = true
puts "ready"
$stdin.gets
require "json"
require "set"
require "digest"
require "bigdecimal"
require "zlib"
require "erb"

records = (0...5000).map { |i| { "id" => i, "name" => "record #{i * 7919 % 100_003} " + "x" * (i % 90) } }
text = JSON.generate(records)
again = JSON.parse(text)
groups = again.group_by { |record| record["name"][0, 9] }.transform_values(&:size)
names = Set.new(again.map { |record| record["name"].gsub(/\d+/) { |digits| (digits.to_i * 3).to_s } })
packed = Zlib::Deflate.deflate(text)
digest = Digest::SHA256.hexdigest(Zlib::Inflate.inflate(packed))
root = (1..100).sum { |i| BigDecimal(i).sqrt(100) }
power = (1..300).map { |i| 3**(2000 + i) }
page = ERB.new("<% groups.each do |name, count| %><%= name * 20 %>: <%= count %>\n<% end %>").result(binding)
def failing(depth)
  depth.zero? ? raise(ArgumentError, "y" * 2000) : failing(depth - 1)
end
threads = 3.times.map do
  Thread.new do
    50.times do
      failing(20)
    rescue ArgumentError => error
      error.message.upcase
    end
  end
end
threads.each(&:join)
fibers = 20.times.map { |i| Fiber.new { Fiber.yield("z" * (1000 + i)) } }
fibers.each(&:resume)
GC.start
puts "done"
$stdin.gets
