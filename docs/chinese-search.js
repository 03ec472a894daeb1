/* Each Chinese character is a word of the search's index (`separator` in mkdocs.yml). Material's search takes a query
   apart by the words of the index, and then leaves out the last one: here each character of a query becomes a word. */
{
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    const query = typeof message.data === "string";
    return post.call(this, query ? { ...message, data: message.data.replace(/\p{sc=Han}/gu, " $& ") } : message, ...rest);
  };
}
